import { useState } from 'react';
import { useWords } from '../i18n';
import { Button } from './Button';

/** Copies a text. Where a browser does not let pages copy (plain http), there is no button. */
export function CopyButton({ text }: { text: string }) {
  const { t } = useWords();
  const [copied, setCopied] = useState(false);
  if (!navigator.clipboard) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <Button onClick={() => void copy()}>
      <span role="status">{copied ? t.app.copied : t.app.copy}</span>
    </Button>
  );
}
