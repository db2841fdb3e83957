import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { UserSchema } from '../gen/gad/v1/user_pb';
import { timestamp } from '../time';
import { badgesOf, filterOf } from './standing';

const NOW = 1_000_000;
const names = (user: MessageInitShape<typeof UserSchema>) => badgesOf(create(UserSchema, user), NOW).map(([name]) => name);
const fine = { active: true, emailVerifyTime: timestamp(1) };

test('of somebody with whom all is as usual nothing is said', () => {
  expect(names(fine)).toEqual([]);
});

test('a lock by failed attempts ends by itself, one by an administrator does not', () => {
  expect(names({ ...fine, lockEndTime: timestamp(NOW + 1) })).toEqual(['locked']);
  expect(names({ ...fine, lockEndTime: timestamp(NOW) })).toEqual([]);
  expect(names({ ...fine, lockTime: timestamp(1) })).toEqual(['locked']);
});

test('who is erased is nothing else any more, and a service needs no address', () => {
  expect(names({ eraseTime: timestamp(1), deleteTime: timestamp(1) })).toEqual(['erased']);
  expect(names({ active: true, service: true })).toEqual(['service']);
});

test('a filter asks for what was chosen and for nothing else', () => {
  expect(filterOf({ text: ' ana ', level: UserLevel.UNSPECIFIED, standing: 'all' })).toEqual({
    text: 'ana',
    levels: [],
    deletedShown: false,
  });
  expect(filterOf({ text: '', level: UserLevel.AGENT, standing: 'inactive' })).toEqual({
    text: '',
    levels: [UserLevel.AGENT],
    active: false,
    deletedShown: false,
  });
});
