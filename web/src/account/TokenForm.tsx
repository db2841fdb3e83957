import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { CreateApiTokenResponse } from '../gen/gad/v1/api_token_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useCell } from '../cell';
import { CALL, newRequestId } from '../rpc/clients';
import { apiTokens, permissions } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { timestamp } from '../time';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { Select } from '../ui/Select';
import { words } from './words';

const DAY_MILLIS = 86_400_000;
const LIVES = [30, 90, 365] as const;

interface Props {
  onMade: (answer: CreateApiTokenResponse) => Promise<void>;
  onClose: () => void;
}

export function TokenForm({ onMade, onClose }: Props) {
  const { t } = useWords();
  const { tokens: w } = usePart(words);
  const mine = useCell(session);
  const level = mine.token === null ? 0 : mine.user.level;
  const [name, setName] = useState('');
  const [days, setDays] = useState(90);
  const [scopes, setScopes] = useState<readonly string[]>([]);
  const known = useQuery({
    queryKey: ['permissions'],
    queryFn: ({ signal }) => permissions.listPermissions({}, { ...CALL, signal }),
    staleTime: Infinity,
  });
  const make = useCall(
    () =>
      apiTokens.createApiToken(
        {
          apiToken: {
            displayName: name.trim(),
            scopes: [...scopes],
            ...(days > 0 && { expireTime: timestamp(Date.now() + days * DAY_MILLIS) }),
          },
          requestId: newRequestId(),
        },
        CALL,
      ),
    onMade,
  );
  const put = (scope: string, isIn: boolean) =>
    setScopes(isIn ? [...scopes, scope] : scopes.filter((other) => other !== scope));
  return (
    <Form failure={make.failure} onSubmit={() => make.run(undefined)} label={w.create} className="narrow-form">
      <Field
        label={w.name}
        autoFocus
        maxLength={100}
        value={name}
        error={make.fields.get('display_name')}
        onChange={(event) => setName(event.target.value)}
      />
      <Select<number>
        label={w.expiry}
        value={days}
        options={[...LIVES.map((life) => [life, w.inDays(String(life))] as const), [0, t.app.never]]}
        error={make.fields.get('expire_time')}
        onChange={setDays}
      />
      <fieldset>
        <legend className="field-label">{w.scopes}</legend>
        <Loaded query={known}>
          {({ permissions: all }) => (
            <div className="scopes">
              {all
                .filter((permission) => permission.scope && permission.level <= level)
                .map(({ name: scope }) => (
                  <Check key={scope} label={scope} checked={scopes.includes(scope)} onChange={(isIn) => put(scope, isIn)} />
                ))}
            </div>
          )}
        </Loaded>
        {make.fields.has('scopes') && (
          <p className="field-error" role="alert">
            {make.fields.get('scopes')}
          </p>
        )}
      </fieldset>
      <div className="form-end">
        <Button look="quiet" onClick={onClose}>
          {t.app.cancel}
        </Button>
        <Button look="primary" type="submit" busy={make.busy}>
          {w.submit}
        </Button>
      </div>
    </Form>
  );
}
