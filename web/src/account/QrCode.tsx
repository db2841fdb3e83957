import encodeQR from 'qr';
import { useMemo } from 'react';

/** A QR code, drawn here: its text goes to nobody. */
export default function QrCode({ text, label }: { text: string; label: string }) {
  const { size, path } = useMemo(() => drawing(text), [text]);
  return (
    <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <path d={path} fill="#000" />
    </svg>
  );
}

/** One square of the path for each dark cell; the white frame that readers need is part of the cells. */
function drawing(text: string): { size: number; path: string } {
  const cells = encodeQR(text, 'raw', { ecc: 'medium', border: 2 });
  const path = cells.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join('');
  return { size: cells.length, path };
}
