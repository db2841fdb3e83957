import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ProfileFields } from '../account/ProfileFields';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import type { User } from '../gen/gad/v1/user_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId, users } from '../rpc/clients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Drawer } from '../ui/Drawer';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { toast } from '../ui/toast';
import { LevelFields } from './LevelFields';
import { words } from './words';

const EMPTY = {
  email: '',
  displayName: '',
  givenName: '',
  familyName: '',
  username: '',
  phone: '',
  language: 'es',
  level: UserLevel.AGENT as UserLevel,
  zoneIds: [] as readonly bigint[],
};

export function InvitePanel({ onClose, onInvited }: { onClose: () => void; onInvited: (user: User) => void }) {
  const { t } = useWords();
  const { invite: w } = usePart(words);
  const queries = useQueryClient();
  const [draft, setDraft] = useState(EMPTY);
  const invite = useCall(
    ({ username, zoneIds, ...rest }: typeof EMPTY) => {
      const user = { ...rest, email: rest.email.trim(), zoneIds: [...zoneIds], ...(username.trim() && { username: username.trim() }) };
      return users.createUser({ user, requestId: newRequestId() }, CALL);
    },
    async (user) => {
      toast(w.done(user.displayName));
      onInvited(user);
      await queries.invalidateQueries({ queryKey: ['users'] });
    },
  );
  return (
    <Drawer title={w.title} subject="new" onClose={onClose}>
      <p className="muted">{w.text}</p>
      <Form failure={invite.failure} onSubmit={() => invite.run(draft)} label={w.title}>
        <Field
          label={w.email}
          type="email"
          autoComplete="off"
          value={draft.email}
          error={invite.fields.get('email')}
          onChange={(event) => setDraft({ ...draft, email: event.target.value })}
        />
        <ProfileFields draft={draft} errors={invite.fields} onChange={setDraft} />
        <LevelFields draft={draft} errors={invite.fields} onChange={setDraft} />
        <div className="form-end">
          <Button look="quiet" onClick={onClose}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" busy={invite.busy}>
            {w.submit}
          </Button>
        </div>
      </Form>
    </Drawer>
  );
}
