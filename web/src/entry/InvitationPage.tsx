import { usePart } from '../i18n/part';
import { CALL, entry } from '../rpc/entry';
import { NewPassword } from './NewPassword';
import { words } from './words';

export default function InvitationPage() {
  const { invitation } = usePart(words);
  return (
    <NewPassword
      title={invitation.title}
      intro={invitation.text}
      label={invitation.password}
      submit={invitation.submit}
      done={invitation.done}
      field="password"
      send={(token, password) => entry.acceptInvitation({ token, password }, CALL)}
    />
  );
}
