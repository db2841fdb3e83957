import { Link } from 'wouter';
import { usePart } from '../i18n/part';
import { Notice } from '../ui/Notice';
import { words } from './words';

/** It is done; the way on is to sign in. */
export function Done({ text }: { text: string }) {
  const w = usePart(words);
  return (
    <>
      <Notice tone="info">{text}</Notice>
      <Link className="button button-primary" href="/">
        {w.toSignIn}
      </Link>
    </>
  );
}

export function BackToSignIn() {
  const w = usePart(words);
  return (
    <p className="entry-links">
      <Link href="/">{w.toSignIn}</Link>
    </p>
  );
}
