"""The check digits of national identifiers by name, as rules refer to them.

Every function takes the matched text as it stands (separators included), never raises, and answers whether
the number can have been issued.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vault.redaction.checks_east import (
    bg_egn,
    cz_birth,
    dk_cpr,
    ee_lt_personal,
    fi_personal,
    hr_oib,
    hu_taj,
    hu_tax,
    il_identity,
    is_kennitala,
    jmbg,
    lv_personal,
    no_birth,
    pl_nip,
    pl_pesel,
    ro_cnp,
    ru_inn,
    ru_snils,
    se_personal,
    tr_identity,
    ua_rntrc,
)
from vault.redaction.checks_west import (
    at_social,
    be_national,
    ch_ahv,
    de_document,
    de_health,
    de_social,
    de_tax_id,
    de_vat,
    es_cif,
    es_nie,
    es_nif,
    es_social,
    fr_nir,
    fr_siren,
    fr_siret,
    fr_tax,
    gb_vat,
    gr_afm,
    gr_amka,
    ie_pps,
    it_fiscal,
    it_vat,
    lu_national,
    nl_bsn,
    pt_card,
    pt_nif,
    uk_utr,
)
from vault.redaction.checks_world import (
    ae_identity,
    ar_cuit,
    au_abn,
    au_medicare,
    au_tfn,
    br_cnpj,
    br_cpf,
    br_pis,
    br_sus,
    ca_health,
    cl_rut,
    cn_resident,
    co_nit,
    hk_identity,
    id_nik,
    imei,
    in_gstin,
    in_pan,
    jp_my_number,
    kr_rrn,
    mx_curp,
    mx_rfc,
    my_nric,
    nz_ird,
    sg_nric,
    th_identity,
    tw_identity,
    us_ein,
    za_identity,
)

NATIONAL_CHECKS: Final[dict[str, Callable[[str], bool | None]]] = {
    check.__name__: check
    for check in (
        *(us_ein, ca_health, uk_utr, gb_vat, ie_pps),
        *(de_tax_id, de_document, de_social, de_health, de_vat, at_social, ch_ahv),
        *(fr_nir, fr_siren, fr_siret, fr_tax, be_national, nl_bsn, lu_national),
        *(es_nif, es_nie, es_cif, es_social, pt_nif, pt_card, it_fiscal, it_vat, gr_afm, gr_amka),
        *(se_personal, dk_cpr, no_birth, fi_personal, ee_lt_personal, lv_personal, is_kennitala),
        *(pl_pesel, pl_nip, cz_birth, hu_taj, hu_tax, ro_cnp, bg_egn, hr_oib, jmbg),
        *(ru_inn, ru_snils, ua_rntrc, tr_identity, il_identity),
        *(br_cpf, br_cnpj, br_pis, br_sus, mx_curp, mx_rfc, ar_cuit, cl_rut, co_nit),
        *(in_pan, in_gstin, cn_resident, hk_identity, tw_identity, jp_my_number, kr_rrn, sg_nric),
        *(my_nric, id_nik, th_identity, ae_identity, za_identity, au_tfn, au_medicare, au_abn, nz_ird),
        imei,
    )
}
