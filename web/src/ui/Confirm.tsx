import { type ReactNode, useState } from 'react';
import { useWords } from '../i18n';
import type { Call } from '../rpc/useCall';
import { Button } from './Button';
import { Dialog } from './Dialog';
import { Field, TextArea } from './Field';
import { Form } from './Form';

interface Props {
  title: string;
  /** What follows. */
  children: ReactNode;
  /** Word of the button. */
  act: string;
  danger?: boolean;
  /** Ask for the reason; `needed`: not without one. */
  reason?: 'needed' | 'welcome';
  /** What must be typed, so that nobody does it in passing. */
  typed?: string;
  call: Call<string>;
  onClose: () => void;
}

/** Asks before something is done that is not easily undone. The call gets the reason. */
export function Confirm({ title, children, act, danger = false, reason, typed, call, onClose }: Props) {
  const { t } = useWords();
  const [why, setWhy] = useState('');
  const [text, setText] = useState('');
  const [missing, setMissing] = useState(false);
  const isReasonMissing = reason === 'needed' && why.trim() === '';
  const isUntyped = typed !== undefined && text.trim() !== typed;

  const submit = () => {
    setMissing(isReasonMissing || isUntyped);
    if (!isReasonMissing && !isUntyped) call.run(why.trim());
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <Form failure={call.failure} onSubmit={submit}>
        <div className="prose">{children}</div>
        {reason && (
          <TextArea
            label={t.app.reason}
            hint={t.app.reasonHint}
            rows={2}
            maxLength={500}
            value={why}
            error={missing && isReasonMissing ? t.app.reasonMissing : call.fields.get('reason')}
            onChange={(event) => setWhy(event.target.value)}
          />
        )}
        {typed !== undefined && (
          <Field
            label={t.app.typeToConfirm(typed)}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={text}
            error={missing && isUntyped ? t.app.typeToConfirm(typed) : undefined}
            onChange={(event) => setText(event.target.value)}
          />
        )}
        <div className="form-end">
          <Button look="quiet" onClick={onClose}>
            {t.app.cancel}
          </Button>
          <Button look={danger ? 'danger' : 'primary'} type="submit" busy={call.busy}>
            {act}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
