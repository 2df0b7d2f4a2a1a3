"""`soundmind bench load`: how many callers a server holds, as its callers see it.

A client like any other: it knows the Realtime API and nothing of the server's inside. `schedule`, `ledger`,
`figures` and `picture` are pure; `caller` and `lines` speak and listen; `usage` reads the processors' time;
`command` is the command.
"""
