import { useCell } from '../cell';
import { en } from './en';
import { es, type Messages } from './es';
import { Format } from './format';
import { language, type Language } from './language';

export interface Words {
  readonly lang: Language;
  readonly t: Messages;
  readonly format: Format;
}

const words: Readonly<Record<Language, Words>> = {
  es: { lang: 'es', t: es, format: new Format('es') },
  en: { lang: 'en', t: en, format: new Format('en') },
};

export function useWords(): Words {
  return words[useCell(language)];
}
