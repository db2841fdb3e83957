import type { ReactNode } from 'react';
import { Button } from './Button';
import { CopyButton } from './CopyButton';
import { Notice } from './Notice';

interface Props {
  title: ReactNode;
  text: string;
  secret: string;
  /** Word of the button that says it was kept. */
  kept: string;
  onKept: () => void;
}

/** A secret that is shown this once. */
export function Once({ title, text, secret, kept, onKept }: Props) {
  return (
    <div className="prose">
      <h3>{title}</h3>
      <Notice tone="warning">{text}</Notice>
      <p className="secret">{secret}</p>
      <div className="form-end">
        <CopyButton text={secret} />
        <Button look="primary" onClick={onKept}>
          {kept}
        </Button>
      </div>
    </div>
  );
}
