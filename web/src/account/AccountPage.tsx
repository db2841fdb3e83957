import { NotFoundPage } from '../app/NotFoundPage';
import { usePart } from '../i18n/part';
import { SheetNav } from '../ui/SheetNav';
import { FactorPart } from './FactorPart';
import { PasswordForm } from './PasswordForm';
import { PrivacyPart } from './PrivacyPart';
import { ProfilePart } from './ProfilePart';
import { SessionsPart } from './SessionsPart';
import { TokensPart } from './TokensPart';
import { words } from './words';
import './account.css';

const PARTS = {
  profile: ProfilePart,
  password: PasswordForm,
  sessions: SessionsPart,
  factor: FactorPart,
  tokens: TokensPart,
  privacy: PrivacyPart,
} as const;

type PartName = keyof typeof PARTS;

export default function AccountPage({ part = 'profile' }: { part?: string | undefined }) {
  const w = usePart(words);
  if (!isPart(part)) return <NotFoundPage />;
  const Shown = PARTS[part];
  return (
    <div className="page sheet">
      <h1>{w.title}</h1>
      <SheetNav label={w.title} base="/account" parts={w.parts} part={part} />
      <section className="sheet-part" aria-labelledby="account-part">
        <h2 id="account-part">{w.parts[part]}</h2>
        <Shown />
      </section>
    </div>
  );
}

function isPart(name: string): name is PartName {
  return Object.hasOwn(PARTS, name);
}
