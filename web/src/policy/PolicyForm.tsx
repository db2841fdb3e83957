import { useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useWords } from '../i18n';
import { type Call, useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Form } from '../ui/Form';
import { toast } from '../ui/toast';

/** A change of a policy; the list `key` is asked for again. */
export function usePolicyCall(key: string, call: () => Promise<unknown>, onClose: () => void): Call<undefined> {
  const { t } = useWords();
  const queries = useQueryClient();
  return useCall(
    () => call(),
    async () => {
      toast(t.app.saved);
      onClose();
      await queries.invalidateQueries({ queryKey: [key] });
    },
  );
}

interface Props {
  title: string;
  save: Call<undefined>;
  onClose: () => void;
  children: ReactNode;
}

export function PolicyForm({ title, save, onClose, children }: Props) {
  const { t } = useWords();
  return (
    <Dialog title={title} onClose={onClose}>
      <Form failure={save.failure} onSubmit={() => save.run(undefined)}>
        {children}
        <div className="form-end">
          <Button look="quiet" onClick={onClose}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" busy={save.busy}>
            {t.app.save}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
