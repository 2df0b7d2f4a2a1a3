"""The Realtime API over WebSocket, limits, metrics and the command line."""
