import type { Violation } from '@lastcall/kernel';

/*
 * Regions whose public holidays are known: a country, a state of it, a region of that. The scheduler works the holidays out, and tests that
 * this list is that of its library; the catalog says no to what is not in it.
 */

const LIST = `
  AD AD-03 AD-07 AE AG AG-10 AI AL AM AO AR AS AT AT-1 AT-2 AT-3 AT-4 AT-5 AT-6 AT-7 AT-8 AT-9 AU AU-ACT AU-NSW AU-NT AU-QLD AU-SA
  AU-TAS AU-VIC AU-WA AW AX AZ BA BA-BIH BA-BIH-W BA-BRC BA-SRP BB BD BE BE-BRU BE-DE BE-VLG BE-WAL BF BG BH BI BJ BL BM BN BO BO-B
  BO-C BO-H BO-L BO-N BO-O BO-P BO-S BO-T BQ BQ-BO BQ-SA BQ-SE BR BR-AC BR-AL BR-AM BR-AP BR-BA BR-CE BR-DF BR-ES BR-GO BR-GO-GOIANIA
  BR-MA BR-MG BR-MG-BH BR-MS BR-MT BR-PA BR-PB BR-PE BR-PE-RE BR-PI BR-PR BR-PR-CU BR-RJ BR-RJ-RJ BR-RN BR-RO BR-RR BR-RS BR-SC BR-SE
  BR-SP BR-SP-SP BR-TO BS BW BY BZ CA CA-AB CA-BC CA-MB CA-NB CA-NL CA-NS CA-NT CA-NU CA-ON CA-PE CA-QC CA-SK CA-YT CC CD CF CG CH
  CH-ZH CH-BE CH-LU CH-UR CH-SZ CH-OW CH-NW CH-GL CH-ZG CH-FR CH-SO CH-BS CH-BL CH-SH CH-AR CH-AI CH-SG CH-GR CH-AG CH-TG CH-TI CH-VD
  CH-VS CH-NE CH-GE CH-JU CI CK CK-Aitutaki CK-Atiu CK-Mangaia CK-Manihiki CK-Mitiaro CK-Palmerston CK-Penrhyn CK-Pukapuka
  CK-Rakahanga CK-Rarotonga CL CL-AP CL-BI CL-BI-CH CL-NU CL-NU-CH CL-TA CM CN CO CR CU CV CV-S CV-S-PR CW CX CY CZ DE DE-BB DE-BE
  DE-BW DE-BY DE-BY-A DE-BY-KATH DE-BY-EVANG DE-HB DE-HE DE-HH DE-MV DE-NI DE-NW DE-RP DE-SH DE-SL DE-SN DE-SN-BZ DE-ST DE-TH
  DE-TH-EIC DE-TH-UH DE-TH-WAK DJ DK DM DO DZ EC EC-P EC-P-QU EE EG EH ER ES ES-AN ES-AR ES-AS ES-CB ES-CE ES-CL ES-CM ES-CN ES-CN-EH
  ES-CN-FU ES-CN-GC ES-CN-LG ES-CN-LP ES-CN-LA ES-CN-TE ES-CT ES-CT-B ES-EX ES-GA ES-IB ES-MC ES-MD ES-ML ES-NC ES-PV ES-RI ES-VC ET
  FI FJ FO FR FR-57 FR-67 FR-68 FR-YT FR-MQ FR-GP FR-GF FR-RE FR-MF FR-BL GA GB GB-ALD GB-ENG GB-NIR GB-SCT GB-WLS GD GE GF GG GH GI
  GL GM GN GP GQ GR GT GT-1 GT-1-101 GT-1-102 GT-1-103 GT-1-104 GT-1-105 GT-1-106 GT-1-107 GT-1-108 GT-1-109 GT-1-110 GT-1-111
  GT-1-112 GT-1-113 GT-1-114 GT-1-115 GT-1-116 GT-1-117 GU GW GY HK HN HR HR-17 HR-19 HT HU IC IC-EH IC-FU IC-GC IC-LG IC-LP IC-LA
  IC-TE ID IE IL IM IN IN-AN IN-AP IN-AR IN-AS IN-BR IN-CH IN-CT IN-DD IN-DL IN-DN IN-GA IN-GJ IN-HP IN-HR IN-JK IN-KA IN-KL IN-LD
  IN-MH IN-ML IN-MN IN-MP IN-MZ IN-NL IN-OR IN-PB IN-PY IN-RJ IN-SK IN-TG IN-TN IN-TR IN-UP IN-UT IN-WB IR IS IT IT-21 IT-21-TO IT-25
  IT-25-MI IT-32 IT-52 IT-52-FI IT-62 IT-62-RM IT-82 IT-82-PA JE JM JP KE KM KN KR KY KZ LC LI LK LR LS LT LU LV LY MA MC MD MD-CA
  MD-CU ME MF MG MK ML MQ MR MS MT MU MW MX MY MY-10 MY-11 MY-12 MY-13 MY-14 MY-15 MY-16 MY-01 MY-02 MY-03 MY-04 MY-05 MY-06 MY-07
  MY-08 MY-09 MZ NA NC NE NF NG NI NL NL-GR NL-GR-GRN NL-NH NL-NH-ALK NL-ZH NL-ZH-BRL NL-ZH-LDN NO NZ NZ-AUK NZ-BOP NZ-CAN
  NZ-CAN-Timaru NZ-CIT NZ-GIS NZ-HKB NZ-MBH NZ-MWT NZ-NSN NZ-NTL NZ-OTA NZ-STL NZ-TAS NZ-TKI NZ-WKO NZ-WGN NZ-WTC NZ-WTC-Buller PA PE
  PE-CUS PF PH PK PK-BA PK-GB PK-IS PK-JK PK-KP PK-PB PK-SD PL PM PR PT PY RE RO RS RU RU-AD RU-AL RU-BA RU-BEL RU-BRY RU-BU RU-CE
  RU-CR RU-CU RU-DA RU-IN RU-IRK RU-KB RU-KC RU-KDA RU-KL RU-KO RU-KR RU-MR RU-NO RU-OMS RU-PNZ RU-SA RU-SAR RU-SEV RU-STA RU-TA RU-TY
  RU-ZAB RW SA SC SD SE SG SH SH-AC SH-HL SH-TA SI SJ SK SL SM SN SO SO-AW SO-SA SO-SO SO-TO SO-WO SR SS ST SV SV-SS SX SZ TC TD TG TH
  TN TO TR TT TW TZ UA UG US US-AL US-AK US-AZ US-AR US-CA US-CA-LA US-CO US-CT US-DE US-DC US-FL US-GA US-HI US-ID US-IL US-IN US-IA
  US-KS US-KY US-LA US-LA-NO US-ME US-MD US-MA US-MI US-MN US-MS US-MO US-MT US-NE US-NV US-NH US-NJ US-NM US-NY US-NC US-ND US-OH
  US-OK US-OR US-PA US-RI US-SC US-SD US-TN US-TX US-UT US-VT US-VA US-WA US-WV US-WI US-WY UY UZ VA VC VE VE-B VE-G VE-K VE-K-BA VE-M
  VE-N VE-S VE-V VG VI VN VU WF XK YT ZA ZM ZW
`;

export const HOLIDAY_REGIONS: readonly string[] = LIST.trim().split(/\s+/);

const byUpperCase = new Map(HOLIDAY_REGIONS.map((region) => [region.toUpperCase(), region]));

/** As it stands in the list, whatever its case; undefined: it does not. */
export function holidayRegionOf(text: string): string | undefined {
  return byUpperCase.get(text.toUpperCase());
}

/** What is wrong with a region, and what is allowed instead: all that is below the part of it that is known. */
export function checkHolidayRegion(field: string, text: string): Violation | undefined {
  if (holidayRegionOf(text) !== undefined) return undefined;
  const named = `is ${JSON.stringify(text.slice(0, 80))}`;
  const parts = text.slice(0, 80).toUpperCase().split('-');
  const longest = [parts.slice(0, 2).join('-'), parts[0] ?? ''].find((part) => byUpperCase.has(part)) ?? '';
  const below = regionsBelow(longest);
  const known = byUpperCase.get(longest);
  if (known !== undefined) return { field, description: `${named}; allowed are ${[known, ...below].join(', ')}` };
  const what = 'a country, with a state of it where they differ, such as DE-BE';
  return { field, description: `${named}; allowed is ${what}. Countries: ${below.join(', ')}` };
}

/** One level below; countries below nothing. */
function regionsBelow(region: string): readonly string[] {
  const prefix = region === '' ? '' : `${region}-`;
  return HOLIDAY_REGIONS.filter(
    (known) => known.toUpperCase().startsWith(prefix) && !known.slice(prefix.length).includes('-'),
  );
}
