import { useState } from 'react';
import type { Webhook } from '../gen/gad/v1/webhook_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId } from '../rpc/clients';
import { webhooks } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Confirm } from '../ui/Confirm';
import { Drawer } from '../ui/Drawer';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { toast } from '../ui/toast';
import type { Secret } from './WebhooksPart';
import { words } from './words';

interface Props {
  webhook: Webhook | undefined;
  onClose: () => void;
  onDone: (secret: Secret | null) => unknown;
}

/** A new webhook, or one that is there: where it is, another secret, or away with it. */
export function WebhookPanel({ webhook, onClose, onDone }: Props) {
  const { t } = useWords();
  const { webhooks: w } = usePart(words);
  const [displayName, setName] = useState(webhook?.displayName ?? '');
  const [url, setUrl] = useState(webhook?.url ?? 'https://');
  const [disabled, setDisabled] = useState(webhook?.disabled ?? false);
  const save = useCall(
    async (): Promise<Secret | null> => {
      const sent = { displayName: displayName.trim(), url: url.trim(), disabled };
      if (!webhook) {
        const { secret } = await webhooks.createWebhook({ webhook: sent, requestId: newRequestId() }, CALL);
        return { name: sent.displayName, secret };
      }
      await webhooks.updateWebhook({ webhook: { ...sent, id: webhook.id, etag: webhook.etag }, requestId: newRequestId() }, CALL);
      return null;
    },
    (secret) => {
      toast(t.app.saved);
      return onDone(secret);
    },
  );
  return (
    <Drawer title={webhook?.displayName ?? w.create} subject={String(webhook?.id ?? 'new')} onClose={onClose}>
      <Form failure={save.failure} onSubmit={() => save.run(undefined)} label={w.title}>
        <Field
          label={w.name}
          maxLength={100}
          value={displayName}
          error={save.fields.get('display_name')}
          onChange={(event) => setName(event.target.value)}
        />
        <Field
          label={w.url}
          hint={w.urlHint}
          type="url"
          autoComplete="off"
          spellCheck={false}
          maxLength={2000}
          value={url}
          error={save.fields.get('url')}
          onChange={(event) => setUrl(event.target.value)}
        />
        <Check label={w.disabled} hint={w.disabledHint} checked={disabled} onChange={setDisabled} />
        <div className="form-end">
          <Button look="quiet" onClick={onClose}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" busy={save.busy}>
            {t.app.save}
          </Button>
        </div>
      </Form>
      {webhook && <Steps webhook={webhook} onDone={onDone} />}
    </Drawer>
  );
}

function Steps({ webhook, onDone }: { webhook: Webhook; onDone: Props['onDone'] }) {
  const { webhooks: w } = usePart(words);
  const [asked, setAsked] = useState<'rotate' | 'remove' | null>(null);
  const { id, etag, displayName } = webhook;
  const rotate = useCall(
    (reason: string) => webhooks.rotateWebhookSecret({ id, reason, requestId: newRequestId() }, CALL),
    ({ secret }) => onDone({ name: displayName, secret }),
  );
  const remove = useCall(
    () => webhooks.deleteWebhook({ id, etag, requestId: newRequestId() }, CALL),
    () => onDone(null),
  );
  const close = () => setAsked(null);
  return (
    <div className="line">
      <Button onClick={() => setAsked('rotate')}>{w.rotate}</Button>
      <Button look="danger" onClick={() => setAsked('remove')}>
        {w.remove}
      </Button>
      {asked === 'rotate' && (
        <Confirm title={`${w.rotate}: ${displayName}`} act={w.rotate} reason="welcome" call={rotate} onClose={close}>
          <p>{w.rotateText}</p>
        </Confirm>
      )}
      {asked === 'remove' && (
        <Confirm title={`${w.remove}: ${displayName}`} act={w.remove} danger call={remove} onClose={close}>
          <p>{w.removeText}</p>
        </Confirm>
      )}
    </div>
  );
}
