import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { AgentService } from '../gen/gad/v1/agent_pb';
import { AuthService } from '../gen/gad/v1/auth_pb';
import { EventService } from '../gen/gad/v1/event_pb';
import { TaskService } from '../gen/gad/v1/task_pb';
import { ZoneService } from '../gen/gad/v1/zone_pb';
import { language } from '../i18n/language';
import { endSession, session } from './session';

const identify: Interceptor = (next) => async (request) => {
  const token = session.get().token;
  request.header.set('accept-language', language.get());
  if (token) request.header.set('authorization', `Bearer ${token}`);
  try {
    return await next(request);
  } catch (error) {
    // A refusal of an older token must not end the session that began since.
    if (token && token === session.get().token && isSignedOut(error)) endSession(true);
    throw error;
  }
};

const transport = createGrpcWebTransport({ baseUrl: location.origin, interceptors: [identify] });

export function isSignedOut(error: unknown): boolean {
  return ConnectError.from(error).code === Code.Unauthenticated;
}

/** Longest wait for a unary answer. Watch has none: it ends by itself. */
export const CALL = { timeoutMs: 15_000 } as const;

export const auth = createClient(AuthService, transport);
export const tasks = createClient(TaskService, transport);
export const agents = createClient(AgentService, transport);
export const zones = createClient(ZoneService, transport);
export const events = createClient(EventService, transport);

/** A fresh idempotency key. `crypto.randomUUID` is missing on plain http outside localhost. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return crypto.randomUUID?.() ?? Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
