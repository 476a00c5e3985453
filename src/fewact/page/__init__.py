"""The page: teach and use a classifier in the browser, on this computer only.

Design, in the order of a request:

- ``security`` refuses what does not come from the page itself: another host name, another origin, a
  missing token, too large or too slow requests. Clients name clips by ids, never by paths.
- ``server`` has the routes, ``session`` what all tabs share. Every change is on the disk before it
  is answered, and can be undone.
- ``state`` has the entries of the journal, and ``fold``, the pure function that makes of them what
  the user has: actions, clips, what the model has of them, what can be undone. Undo is an entry:
  the entries that it names are left out.
- ``folder`` has the file of entries, ``MODEL/page/journal.jsonl``: the only truth. Each line has a
  checksum; a last line that is cut short is ignored. The id of an entry is that of the request: a
  browser sends a request again if its connection is lost, and no change may be made twice.
- The clips are beside it. Uploads are written whole or not at all. Nothing is removed
  but what the user removes for good, and uploads that are refused. Page and command line can use
  the model folder in turn: the journal notes which model was found, and ``fold`` merges.
- ``children`` runs two processes with limits of memory and time: ``decoder`` opens uploads first,
  ``worker`` holds the classifier. Messages are JSON and bytes; a process that hangs or dies is
  replaced. The server itself decodes nothing and loads no network.
- ``jobs`` is the queue of the worker. A job is a sequence of short steps, and tabs take turns by
  step: a long recording in one tab does not delay a clip in another. A job is cancelled between two
  steps.

The client is HTML, CSS and JavaScript modules without a build step; all texts are in texts.json.
"""
