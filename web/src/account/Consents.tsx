import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type Consent, ConsentStanding, type ConsentText } from '../gen/gad/v1/privacy_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId } from '../rpc/clients';
import { privacy } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { usePages } from '../rpc/usePages';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { toast } from '../ui/toast';
import { words } from './words';

/** What the person is asked to agree to, and what they decided. */
export function Consents() {
  const { lang } = useWords();
  const { privacy: w } = usePart(words);
  const mine = useQuery({
    queryKey: ['consents', lang],
    queryFn: async ({ signal }) => {
      const [{ consents }, { texts }] = await Promise.all([
        privacy.getMyConsents({}, { ...CALL, signal }),
        privacy.listConsentTexts({ language: lang }, { ...CALL, signal }),
      ]);
      return consents.map((consent) => ({ consent, text: texts.find(({ purpose }) => purpose === consent.purpose) }));
    },
  });
  return (
    <>
      <h3>{w.consents}</h3>
      <Loaded query={mine}>
        {(consents) =>
          consents.map(({ consent, text }) => text && <One key={consent.purpose} consent={consent} text={text} />)
        }
      </Loaded>
      <History />
    </>
  );
}

const TONES: Readonly<Record<ConsentStanding, string>> = {
  [ConsentStanding.UNSPECIFIED]: 'plain',
  [ConsentStanding.UNDECIDED]: 'plain',
  [ConsentStanding.GRANTED]: 'available',
  [ConsentStanding.OUTDATED]: 'high',
  [ConsentStanding.WITHDRAWN]: 'late',
};

function One({ consent, text }: { consent: Consent; text: ConsentText }) {
  const { format } = useWords();
  const w = usePart(words);
  const { purpose, standing } = consent;
  const [withdrawing, setWithdrawing] = useState(false);
  const queries = useQueryClient();
  const renew = async () => {
    setWithdrawing(false);
    await Promise.all([
      queries.invalidateQueries({ queryKey: ['consents'] }),
      queries.invalidateQueries({ queryKey: ['decisions'] }),
    ]);
  };
  const grant = useCall(
    () => privacy.grantConsent({ purpose, version: text.version, language: text.language, requestId: newRequestId() }, CALL),
    renew,
  );
  const withdraw = useCall(
    (_reason: string) => privacy.withdrawConsent({ purpose, requestId: newRequestId() }, CALL),
    async ({ message }) => {
      if (message) toast(message);
      await renew();
    },
  );
  return (
    <article className="consent" data-purpose={purpose}>
      <div className="consent-head">
        <h4>{text.title}</h4>
        <span className="muted">{w.privacy.version(String(text.version))}</span>
        <Badge tone={TONES[standing]}>{w.standings[standing]}</Badge>
        {consent.decideTime && <span className="muted">{w.privacy.decided(format.moment(consent.decideTime))}</span>}
      </div>
      <p className="consent-text">{text.body}</p>
      <Form failure={grant.failure} onSubmit={() => grant.run(undefined)}>
        <div className="line">
          {standing !== ConsentStanding.GRANTED && (
            <Button look="primary" type="submit" busy={grant.busy}>
              {w.privacy.grant}
            </Button>
          )}
          {standing !== ConsentStanding.WITHDRAWN && (
            <Button onClick={() => setWithdrawing(true)}>{w.privacy.withdraw}</Button>
          )}
        </div>
      </Form>
      {withdrawing && (
        <Confirm
          title={`${w.privacy.withdrawTitle}: ${text.title}`}
          act={w.privacy.withdraw}
          danger
          call={withdraw}
          onClose={() => setWithdrawing(false)}
        >
          <p>{w.privacy.effects}:</p>
          <ul>
            {consent.effects.map((effect) => (
              <li key={effect}>{w.effects[effect]}</li>
            ))}
          </ul>
        </Confirm>
      )}
    </article>
  );
}

function History() {
  const { format } = useWords();
  const w = usePart(words);
  const list = usePages(['decisions'], async (page, signal) => {
    const { decisions, nextPageToken } = await privacy.listConsents({ ...page, userId: 0n, pageSize: 10 }, { ...CALL, signal });
    return { rows: decisions, nextPageToken };
  });
  if (list.data?.length === 0) return null;
  return (
    <details>
      <summary>{w.privacy.history}</summary>
      <Loaded query={list}>
        {(decisions) => (
          <ul className="prose">
            {decisions.map(({ id, granted, createTime, door, address, text }) => (
              <li key={String(id)}>
                {granted ? w.privacy.historyYes : w.privacy.historyNo}: {text?.title} (
                {w.privacy.version(String(text?.version ?? 0))}) · {createTime && format.moment(createTime)} · {w.doors[door]}
                {address && ` · ${address}`}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      <More list={list} />
    </details>
  );
}
