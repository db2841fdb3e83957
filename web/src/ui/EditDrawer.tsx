import { type ReactNode, useState } from 'react';
import { useWords } from '../i18n';
import type { Call } from '../rpc/useCall';
import { Button } from './Button';
import { Confirm } from './Confirm';
import { Drawer } from './Drawer';
import { Form } from './Form';

interface Props {
  /** What is changed; none: a new one. */
  thing: { readonly id: bigint; readonly displayName: string } | undefined;
  words: { readonly title: string; readonly create: string; readonly remove: string; readonly removeText: string };
  save: Call<undefined>;
  remove: Call<string>;
  onClose: () => void;
  /** What stands above the form. */
  above?: ReactNode;
  /** The form's fields. */
  children: ReactNode;
}

/** Something with a name is made, changed or, after a question, removed. */
export function EditDrawer({ thing, words, save, remove, onClose, above, children }: Props) {
  const { t } = useWords();
  const [removing, setRemoving] = useState(false);
  return (
    <Drawer title={thing?.displayName ?? words.create} subject={String(thing?.id ?? 'new')} onClose={onClose}>
      {above}
      <Form failure={save.failure} onSubmit={() => save.run(undefined)} label={words.title}>
        {children}
        <div className="form-end">
          {thing && (
            <Button look="danger" onClick={() => setRemoving(true)}>
              {words.remove}
            </Button>
          )}
          <Button look="quiet" onClick={onClose}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" busy={save.busy}>
            {t.app.save}
          </Button>
        </div>
      </Form>
      {thing && removing && (
        <Confirm
          title={`${words.remove}: ${thing.displayName}`}
          act={words.remove}
          danger
          call={remove}
          onClose={() => setRemoving(false)}
        >
          <p>{words.removeText}</p>
        </Confirm>
      )}
    </Drawer>
  );
}
