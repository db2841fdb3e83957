import { usePart } from '../i18n/part';
import { CALL, entry } from '../rpc/entry';
import { BackToSignIn } from './Done';
import { EntryFrame } from './EntryFrame';
import { MailForm } from './MailForm';
import { words } from './words';

export default function ForgotPage() {
  const { forgot } = usePart(words);
  return (
    <EntryFrame title={forgot.title}>
      <p>{forgot.text}</p>
      <MailForm
        send={(email) => entry.requestPasswordReset({ email }, CALL)}
        submit={forgot.submit}
        done={forgot.done}
      />
      <BackToSignIn />
    </EntryFrame>
  );
}
