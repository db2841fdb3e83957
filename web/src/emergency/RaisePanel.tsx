import type L from 'leaflet';
import { useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { LocationPicker } from '../create/LocationPicker';
import { EmergencySource } from '../gen/gad/v1/emergency_pb';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { usePart } from '../i18n/part';
import { useLive } from '../live/LiveProvider';
import { CALL, newRequestId } from '../rpc/clients';
import { emergencies } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Drawer } from '../ui/Drawer';
import { TextArea } from '../ui/Field';
import { Form } from '../ui/Form';
import { toast } from '../ui/toast';
import { words } from './words';

/** Reports a call for help. Nothing has to be filled in: seconds count. */
export function RaisePanel({ onClose }: { onClose: () => void }) {
  const t = usePart(words);
  const { store } = useLive();
  const [, go] = useLocation();
  const [description, setDescription] = useState('');
  const [place, setPlace] = useState<L.LatLngTuple | null>(null);
  // However often the button is pressed, it is one report.
  const requestId = useRef(newRequestId());
  const change = () => (requestId.current = newRequestId());
  const raise = useCall(
    () =>
      emergencies.raiseEmergency(
        {
          description: description.trim(),
          ...(place && { location: { latitude: place[0], longitude: place[1] } }),
          source: controlRoom() ? EmergencySource.DASHBOARD : EmergencySource.UNSPECIFIED,
          requestId: requestId.current,
        },
        CALL,
      ),
    (emergency) => {
      store.mergeEmergencies([emergency]);
      toast(t.raised(String(emergency.id)));
      go(`/emergencies/${emergency.id}`);
    },
  );
  return (
    <Drawer title={t.raiseTitle} subject="new" onClose={onClose}>
      <Form label={t.raiseTitle} failure={raise.failure} onSubmit={() => raise.run(undefined)}>
        <p>{t.raiseText}</p>
        <TextArea
          label={t.description}
          rows={3}
          maxLength={2000}
          value={description}
          error={raise.fields.get('description')}
          onChange={(event) => {
            setDescription(event.target.value);
            change();
          }}
        />
        <h3>{t.place}</h3>
        <p className="field-hint">{t.placeHint}</p>
        <LocationPicker
          value={place}
          onPick={(picked) => {
            setPlace(picked);
            change();
          }}
        />
        <Button look="danger" type="submit" busy={raise.busy}>
          {t.send}
        </Button>
      </Form>
    </Drawer>
  );
}

/** Supervisors sit in the control room; of agents the server knows better. */
function controlRoom(): boolean {
  const mine = session.get();
  return mine.token !== null && mine.user.level >= UserLevel.SUPERVISOR;
}
