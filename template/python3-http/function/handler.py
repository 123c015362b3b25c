def handle(event, context):
    """Answer one call.

    event: body (bytes), headers, method, query, path. context: hostname, call_id.
    Return {"statusCode": 200, "body": ..., "headers": {...}}, or just a body: text, bytes, a dict or list (sent
    as JSON), an iterator (streamed), or a response of Werkzeug or Flask. flask.request, jsonify and the like work in a
    module that imports flask at its top. A module may also have ready() -> bool and close().
    """
    return {"statusCode": 200, "body": "Hello from OpenFaaS!"}
