import t from 'tap';
import { isClosedAddress } from './addresses.ts';

t.test('loopback, private, link-local, mapped and reserved addresses are closed', async (t) => {
  const closed = [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'not-an-address',
    '255.255.255.255',
  ];
  for (const address of closed) t.ok(isClosedAddress(address), address);
});

t.test('public addresses are open', async (t) => {
  for (const address of ['1.1.1.1', '172.32.0.1', '8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])
    t.notOk(isClosedAddress(address), address);
});
