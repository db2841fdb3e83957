import { createClient } from '@connectrpc/connect';
import { ApiTokenService } from '../gen/gad/v1/api_token_pb';
import { EmergencyService } from '../gen/gad/v1/emergency_pb';
import { PermissionService } from '../gen/gad/v1/permission_pb';
import { PrivacyService } from '../gen/gad/v1/privacy_pb';
import { transport } from './transport';

/** Clients of pages that are loaded when they are opened. */
export const apiTokens = createClient(ApiTokenService, transport);
export const emergencies = createClient(EmergencyService, transport);
export const permissions = createClient(PermissionService, transport);
export const privacy = createClient(PrivacyService, transport);
