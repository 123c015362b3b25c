"""A function. It is either `handle`, as here, or `app`, a WSGI application; a module with both does not start.

    import flask
    app = flask.Flask(__name__)  # or any other callable of WSGI

    @app.get("/hello/<name>")
    def hello(name):
        return {"hello": name}

Both kinds may also have `ready()`, true when calls can be served, and `close()`, called when the process ends. Make
clients here, but let them connect with the first call: a function should be ready at once.
"""


def handle(event, context):
    """Answer one call, in a Flask application: `flask.request`, `flask.abort` and the like work here.

    event: body (bytes), headers, method, query, path. context: hostname, call_id.
    Return {"statusCode": 200, "body": ..., "headers": {...}}, or just a body: text, bytes, a dict or list (sent
    as JSON), an iterator (streamed), or what a view of Flask may return.
    """
    return {"statusCode": 200, "body": "Hello from OpenFaaS!"}
