"""What everything else needs: errors, options, files, tables and charts."""
