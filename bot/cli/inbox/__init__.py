"""The inbox: the bot on a laptop, and in the browser what Slack, Teams and mailboxes would show of its cards.

`local.py` is the bot on a watched routing file (`watch.py`), with channels that post nothing (`channel.py`).
`record.py` writes down what it tells on the shelf (`shelf.py`), and `bell.py` says so to every open page. `compose.py`
makes logins and looks at what would become of them. `server.py` shows it all to this machine's browser, and `guard.py`
to nobody else; `command.py` and `serving.py` start it.
"""
