import { createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { AuthService } from '../gen/gad/v1/auth_pb';
import { language } from '../i18n/language';

export const speakLanguage: Interceptor = (next) => (request) => {
  request.header.set('accept-language', language.get());
  return next(request);
};

/** Longest wait for a unary answer. Watch has none: it ends by itself. */
export const CALL = { timeoutMs: 15_000 } as const;

/** What is open to people who are not signed in. It never sends a token. */
export const entry = createClient(
  AuthService,
  createGrpcWebTransport({ baseUrl: location.origin, interceptors: [speakLanguage] }),
);
