// Answers with the event that it got, or with the result that the request asks for in X-Conformance-Result.

function asked(event) {
  for (const many of [event.headers ?? {}, event.multiValueHeaders ?? {}]) {
    for (const [name, value] of Object.entries(many)) {
      if (name.toLowerCase() === 'x-conformance-result') {
        return Array.isArray(value) ? value[0] : value;
      }
    }
  }
  return undefined;
}

// The last events of WebSocket connections that nobody is answered: by kind and connection.
const told = new Map();

// A message is answered with its event, or with what it asks for as a JSON object with `conformance`.
function ofSocket(event) {
  const about = event.requestContext;
  if (about.eventType !== 'MESSAGE') {
    while (told.size > 100) told.delete(told.keys().next().value);
    told.set(about.eventType + about.connectionId, event);
    return { statusCode: 200 };
  }
  let wanted;
  try {
    wanted = JSON.parse(event.body);
  } catch {
    wanted = undefined;
  }
  let shown = event;
  if (wanted?.conformance) {
    if (wanted.conformance === 'raise') throw new Error('the case wants the function to fail');
    if (wanted.conformance === 'result') return wanted.result;
    shown = told.get(wanted.conformance + (wanted.connectionId ?? about.connectionId)) ?? {};
  }
  return { statusCode: 200, body: JSON.stringify({ event: shown }) };
}

export const handler = async (event) => {
  const wanted = asked(event);
  if (wanted !== undefined) {
    const result = JSON.parse(Buffer.from(wanted, 'base64').toString());
    if (result?.conformance === 'raise') {
      throw new Error('the case wants the function to fail');
    }
    return result;
  }
  if (event.requestContext?.eventType) return ofSocket(event);
  const answer = { statusCode: 200, isBase64Encoded: false, body: JSON.stringify({ event }) };
  const headers = { 'Content-Type': 'application/json' };
  if (event.requestContext?.elb && event.multiValueHeaders) {
    answer.multiValueHeaders = { 'Content-Type': ['application/json'] };
  } else {
    answer.headers = headers;
  }
  return answer;
};
