import { create, type DescMessage, fromJson, type JsonObject, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema, LocalizedMessageSchema } from '../gen/google/rpc/error_details_pb';
import { language } from '../i18n/language';
import { presentToken, renew } from './renew';

interface Upload {
  readonly path: string;
  readonly file: Blob;
  /** How much is on its way, from 0 to 1. */
  readonly onProgress: (share: number) => void;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Sends a file by the REST door: a browser cannot send a stream of messages. Refusals are those of every other call. */
export async function upload<Out extends DescMessage>(out: Out, sent: Upload): Promise<MessageShape<Out>> {
  const token = await presentToken();
  let answer = await post(sent, token);
  if (answer.status === 401 && token !== null && (await renew(token))) answer = await post(sent, await presentToken());
  if (answer.status !== 200) throw refusalOf(answer);
  return fromJson(out, JSON.parse(answer.text) as JsonValue, { ignoreUnknownFields: true });
}

function post({ path, file, onProgress, signal }: Upload, token: string | null): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // `fetch` tells nothing of what is on its way.
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.setRequestHeader('content-type', file.type || 'application/octet-stream');
    request.setRequestHeader('accept-language', language.get());
    if (token !== null) request.setRequestHeader('authorization', `Bearer ${token}`);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () => reject(new ConnectError('no answer', Code.Unavailable));
    request.onabort = () => reject(new ConnectError('given up', Code.Canceled));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}

const KNOWN: readonly DescMessage[] = [ErrorInfoSchema, LocalizedMessageSchema, BadRequestSchema];

/** A `google.rpc.Status` as the error that it would be by gRPC. What is none came from something before the server. */
export function refusalOf({ status, text }: Answer): ConnectError {
  if (status === 413) {
    const value = create(ErrorInfoSchema, { reason: 'FILE_TOO_LARGE' });
    return new ConnectError(`HTTP ${status}`, Code.InvalidArgument, undefined, [{ desc: ErrorInfoSchema, value }]);
  }
  try {
    const { code, message, details } = JSON.parse(text) as { code?: number; message?: string; details?: JsonObject[] };
    return refusal(code ?? Code.Unknown, message ?? '', details ?? []);
  } catch {
    return new ConnectError(`HTTP ${status}`, status >= 502 && status <= 504 ? Code.Unavailable : Code.Unknown);
  }
}

function refusal(code: Code, message: string, details: readonly JsonObject[]): ConnectError {
  const known = details.flatMap(({ '@type': type, ...value }) => {
    const desc = KNOWN.find(({ typeName }) => String(type).endsWith(`/${typeName}`));
    return desc ? [{ desc, value: fromJson(desc, value, { ignoreUnknownFields: true }) }] : [];
  });
  return new ConnectError(message, code, undefined, known);
}
