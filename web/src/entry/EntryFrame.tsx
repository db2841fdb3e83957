import type { ReactNode } from 'react';
import { Brand } from '../app/Brand';
import { LanguageSwitch, ThemeSwitch } from '../app/switches';
import { useWords } from '../i18n';
import './entry.css';

/** A card in the middle of the screen, for people who are not signed in. */
export function EntryFrame({ title, children }: { title: string; children: ReactNode }) {
  const { t } = useWords();
  return (
    <main className="entry">
      <div className="entry-card">
        <div className="entry-head">
          <Brand />
          <ThemeSwitch />
          <LanguageSwitch />
        </div>
        <p className="entry-subtitle">{t.app.subtitle}</p>
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
