import type { Run } from '../../storage/schema/run.ts';

/** Stands for its layer. */
export const order = (run: Run) => run;

/** Stands for its layer. */
export function tooLong(run: Run) {
  if (run.id === '0') return 0;
  if (run.id === '1') return 1;
  if (run.id === '2') return 2;
  if (run.id === '3') return 3;
  if (run.id === '4') return 4;
  if (run.id === '5') return 5;
  if (run.id === '6') return 6;
  if (run.id === '7') return 7;
  if (run.id === '8') return 8;
  if (run.id === '9') return 9;
  if (run.id === '10') return 10;
  if (run.id === '11') return 11;
  if (run.id === '12') return 12;
  if (run.id === '13') return 13;
  if (run.id === '14') return 14;
  if (run.id === '15') return 15;
  if (run.id === '16') return 16;
  if (run.id === '17') return 17;
  if (run.id === '18') return 18;
  if (run.id === '19') return 19;
  if (run.id === '20') return 20;
  if (run.id === '21') return 21;
  if (run.id === '22') return 22;
  if (run.id === '23') return 23;
  if (run.id === '24') return 24;
  if (run.id === '25') return 25;
  if (run.id === '26') return 26;
  if (run.id === '27') return 27;
  if (run.id === '28') return 28;
  if (run.id === '29') return 29;
  if (run.id === '30') return 30;
  if (run.id === '31') return 31;
  if (run.id === '32') return 32;
  if (run.id === '33') return 33;
  if (run.id === '34') return 34;
  if (run.id === '35') return 35;
  if (run.id === '36') return 36;
  if (run.id === '37') return 37;
  if (run.id === '38') return 38;
  if (run.id === '39') return 39;
  if (run.id === '40') return 40;
  if (run.id === '41') return 41;
  if (run.id === '42') return 42;
  if (run.id === '43') return 43;
  if (run.id === '44') return 44;
  if (run.id === '45') return 45;
  if (run.id === '46') return 46;
  if (run.id === '47') return 47;
  if (run.id === '48') return 48;
  if (run.id === '49') return 49;
  return null;
}
