import { createClient } from '@connectrpc/connect';
import { AgentService } from '../gen/gad/v1/agent_pb';
import { AuthService } from '../gen/gad/v1/auth_pb';
import { DispatchService } from '../gen/gad/v1/dispatch_pb';
import { EventService } from '../gen/gad/v1/event_pb';
import { TaskService } from '../gen/gad/v1/task_pb';
import { UserService } from '../gen/gad/v1/user_pb';
import { ZoneService } from '../gen/gad/v1/zone_pb';
import { transport } from './transport';

export { CALL } from './entry';

export const auth = createClient(AuthService, transport);
export const tasks = createClient(TaskService, transport);
export const agents = createClient(AgentService, transport);
export const dispatches = createClient(DispatchService, transport);
export const zones = createClient(ZoneService, transport);
export const users = createClient(UserService, transport);
export const events = createClient(EventService, transport);

/** A fresh idempotency key. `crypto.randomUUID` is missing on plain http outside localhost. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return crypto.randomUUID?.() ?? Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
