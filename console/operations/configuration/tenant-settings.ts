import type { PolicyDocument } from '../../../storage/schema/snapshot.ts';
import type { TenantConfiguration } from '../../contract/configuration.ts';
import { readPriceLists } from './prices.ts';

/** What a tenant's policy document says of the tenant itself, beyond its columns; absent where the file says nothing. */
export type TenantSettings = Pick<PolicyDocument, 'max_output_tokens' | 'prices'>;

/** The settings that a file states for a tenant. */
export function readTenantSettings(tenant: TenantConfiguration): TenantSettings {
  const { maxOutputTokens, prices = [] } = tenant;
  return {
    ...(maxOutputTokens === undefined ? {} : { max_output_tokens: maxOutputTokens }),
    ...(prices.length === 0 ? {} : { prices: readPriceLists(prices) }),
  };
}
