"""The API server over HTTP: requests and answers in all their forms."""
