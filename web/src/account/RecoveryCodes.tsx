import { useCell } from '../cell';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { session } from '../rpc/session';
import { Button } from '../ui/Button';
import { CopyButton } from '../ui/CopyButton';
import { saveFile } from '../ui/file';
import { Notice } from '../ui/Notice';
import { words } from './words';

/** Shown this once: to be copied, kept as a file or printed. */
export function RecoveryCodes({ codes, onKept }: { codes: readonly string[]; onKept: () => void }) {
  const { t } = useWords();
  const { factor: w } = usePart(words);
  const mine = useCell(session);
  const name = mine.token === null ? '' : mine.user.email;
  const text = `${w.fileHead} · ${name}\n\n${codes.join('\n')}\n`;
  return (
    <div className="prose codes-sheet">
      <h3>
        {w.codesTitle} · {name}
      </h3>
      <Notice tone="warning">{w.codesText}</Notice>
      <ol className="codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <div className="form-end">
        <CopyButton text={text} />
        <Button onClick={() => saveFile('gad-recovery-codes.txt', [text], 'text/plain')}>{t.app.download}</Button>
        <Button onClick={() => window.print()}>{w.print}</Button>
        <Button look="primary" onClick={onKept}>
          {w.kept}
        </Button>
      </div>
    </div>
  );
}
