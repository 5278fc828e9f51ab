// Two Node functions: an ordinary one, and one that streams its response (invoke it with --invoke-mode response-stream).

export const handler = async (event, context) => {
  const path = event.rawPath ?? event.path;
  console.log("asked for", path);
  return {
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message: "Hello from Node", path, requestId: context.awsRequestId, node: process.version }),
  };
};

export const stream = awslambda.streamifyResponse(async (event, responseStream) => {
  const http = awslambda.HttpResponseStream.from(responseStream, {
    statusCode: 200,
    headers: { "content-type": "text/plain" },
  });
  for (let n = 1; n <= 5; n++) {
    http.write(`line ${n}\n`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  http.end();
});
