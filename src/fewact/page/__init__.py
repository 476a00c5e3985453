"""The page: teach and use a classifier in the browser, on this computer only.

Design, in the order of a request:

- ``security`` refuses what does not come from the page itself: another host name, another origin, a
  missing token, too large or too slow requests. Clients name clips by ids, never by paths.
- ``app`` has the routes, ``state`` what all tabs share. Every change of the document is on the disk
  before it is answered, and can be undone.
- ``document`` is what the user has: actions, clips, and the history. It is a value; changes are
  functions of it. The model follows it: teaching makes the model equal to the document.
  ``repeats`` keeps the latest answers: a browser sends a request again if its connection is lost,
  and no change may be made twice.
  ``renamed`` knows what an action is called now that was renamed while clips were sent to it.
- ``store`` keeps the document and the clips in ``MODEL/page``. Uploads are written whole or not at
  all. Nothing is removed but what the user removes for good, and uploads that are refused. Saving a
  model keeps this folder, so page and command line can use the model folder in turn.
  ``Document.merge`` takes over what the command line changed.
- ``children`` runs two processes with limits of memory and time: ``decoder`` opens uploads first,
  ``worker`` holds the classifier. Messages are JSON and bytes; a process that hangs or dies is
  replaced. The server itself decodes nothing and loads no torch.
- ``jobs`` is the queue of the worker. A job is a sequence of short steps, and tabs take turns by
  step: a long recording in one tab does not delay a clip in another. A job is cancelled between two
  steps.

The client is HTML, CSS and JavaScript modules without a build step; all texts are in texts.json.
"""
