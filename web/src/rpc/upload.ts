import { type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { language } from '../i18n/language';
import { type Answer, refusalOf } from './refusal';
import { presentToken, renew } from './renew';

interface Upload {
  readonly path: string;
  readonly file: Blob;
  /** How much is on its way, from 0 to 1. */
  readonly onProgress: (share: number) => void;
  readonly signal: AbortSignal;
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
