// The REST door, for what a phone of a field agent would do.

export async function call(baseUrl, path, { token, body, method = body ? 'POST' : 'GET' } = {}) {
  const answer = await fetch(new URL(path, baseUrl), {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

export async function login(baseUrl, email, password) {
  const answer = await call(baseUrl, '/v1/auth:login', { body: { email, password } });
  return answer.access_token ?? answer.accessToken;
}

/** An agent with a known position. */
export async function locatedAgent(baseUrl, token) {
  const { agents } = await call(baseUrl, '/v1/agents?page_size=200', { token });
  const agent = agents.find(({ position }) => position?.location);
  if (!agent) throw new Error('no agent has a position: is the demo data there?');
  return agent;
}

export async function reportPosition(baseUrl, token, agentId, { latitude, longitude }, at = Date.now()) {
  const fix = { agent_id: agentId, location: { latitude, longitude }, fix_time: new Date(at).toISOString(), source: 'POSITION_SOURCE_GPS' };
  const answer = await call(baseUrl, '/v1/positions:report', { token, body: { positions: [fix] } });
  const accepted = answer.accepted_count ?? answer.acceptedCount;
  if (accepted !== 1) throw new Error(`the fix was not accepted: ${JSON.stringify(answer)}`);
}
