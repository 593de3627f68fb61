#pragma once

/// A schema as the catalog of its own server tells it, in words that all versions share. pg_dump reads no server newer than
/// itself, and says the same thing in other words for another version.
namespace tslive::harness::detail {

/// Each query gives rows of object and description. Owners' own rights are left out of grants, and MAINTAIN, which is part of ALL
/// from 17 on.
inline constexpr const char* catalog_queries[] = {
    R"sql(SELECT 'schema ' || n.nspname, concat_ws(', ', pg_get_userbyid(n.nspowner), obj_description(n.oid, 'pg_namespace'),
            (SELECT string_agg(a.grantee::regrole || ' ' || a.privilege_type || a.is_grantable, ',' ORDER BY a.grantee::regrole::text, a.privilege_type)
             FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner))
        FROM pg_namespace n WHERE {of_users})sql",

    // An identity whose index was dropped is none, and nothing that a schema could say.
    R"sql(SELECT 'relation ' || c.oid::regclass, concat_ws(', ', c.relkind, c.relpersistence, c.reloptions::text, t.reloptions::text, c.relrowsecurity,
            c.relforcerowsecurity,
            CASE WHEN c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisreplident) THEN 'd' ELSE c.relreplident END, c.relispopulated, pg_get_userbyid(c.relowner), obj_description(c.oid, 'pg_class'), pg_get_partkeydef(c.oid),
            pg_get_expr(c.relpartbound, c.oid), nullif(c.reloftype, 0)::regtype,
            (SELECT 'of ' || string_agg(h.inhparent::regclass::text, ',' ORDER BY h.inhseqno) FROM pg_inherits h WHERE h.inhrelid = c.oid),
            (SELECT string_agg(a.grantee::regrole || ' ' || a.privilege_type || a.is_grantable, ',' ORDER BY a.grantee::regrole::text, a.privilege_type)
             FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner AND a.privilege_type <> 'MAINTAIN'))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relpersistence <> 't' AND {of_users})sql",

    // From 17 on partitions show the identity of their parent. 15.20 notes where it changed a column last, which is nothing of the user's.
    R"sql(SELECT 'column ' || c.oid::regclass || ' ' || row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
            concat_ws(', ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull,
            CASE WHEN NOT c.relispartition THEN a.attidentity END, a.attgenerated, a.attstorage,
            (SELECT l.collname FROM pg_collation l WHERE l.oid = a.attcollation), pg_get_expr(d.adbin, d.adrelid), coalesce(a.attstattarget, -1), (SELECT array_agg(o) FROM unnest(a.attoptions) o WHERE o !~ '^pg_attver=')::text, a.attislocal,
            col_description(c.oid, a.attnum),
            (SELECT string_agg(x.grantee::regrole || ' ' || x.privilege_type || x.is_grantable, ',' ORDER BY x.grantee::regrole::text, x.privilege_type)
             FROM aclexplode(a.attacl) x))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND {of_users})sql",

    // Version 18 keeps NOT NULL among the constraints; the columns above tell it.
    R"sql(SELECT 'constraint ' || coalesce(nullif(k.conrelid, 0)::regclass::text, nullif(k.contypid, 0)::regtype::text) || ' ' || quote_ident(k.conname),
            concat_ws(', ', pg_get_constraintdef(k.oid), k.conislocal, obj_description(k.oid, 'pg_constraint'))
        FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
        WHERE k.contype <> 'n' AND NOT (k.contype = 'f' AND k.conparentid <> 0) AND {of_users})sql",

    R"sql(SELECT 'index ' || i.indexrelid::regclass, concat_ws(', ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisprimary, i.indisreplident,
            i.indisclustered, obj_description(i.indexrelid, 'pg_class'), (SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = i.indexrelid),
            (SELECT string_agg(coalesce(a.attstattarget, -1)::text, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid))
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {of_users} AND n.nspname <> 'pg_toast')sql",

    // Version 16 stopped qualifying columns where there is one table; so no qualifier is compared.
    R"sql(SELECT 'view ' || c.oid::regclass, regexp_replace(regexp_replace(pg_get_viewdef(c.oid), '("([^"]|"")*"|\m\w+)\.', '', 'g'), '\s+', ' ', 'g')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND {of_users})sql",

    // The server makes a range's functions, and each version of an extension its own.
    R"sql(SELECT 'function ' || p.oid::regprocedure, concat_ws(', ', CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END,
            pg_get_userbyid(p.proowner), obj_description(p.oid, 'pg_proc'))
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang AND l.lanname <> 'internal'
        WHERE {of_users} AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'))sql",

    // Before 15 the copies of a trigger on partitions are internal.
    R"sql(SELECT 'trigger ' || t.tgrelid::regclass || ' ' || quote_ident(t.tgname), concat(pg_get_triggerdef(t.oid), ' ', t.tgenabled)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND {of_users}
            AND NOT EXISTS (SELECT FROM pg_inherits h JOIN pg_trigger p ON p.tgrelid = h.inhparent WHERE h.inhrelid = t.tgrelid AND p.tgname = t.tgname))sql",

    R"sql(SELECT 'rule ' || r.ev_class::regclass || ' ' || quote_ident(r.rulename), concat(regexp_replace(pg_get_ruledef(r.oid), '\s+', ' ', 'g'), ' ', r.ev_enabled)
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND {of_users})sql",

    R"sql(SELECT 'policy ' || p.polrelid::regclass || ' ' || quote_ident(p.polname), concat_ws(', ', p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid),
            pg_get_expr(p.polwithcheck, p.polrelid), (SELECT string_agg(pg_get_userbyid(r), ',' ORDER BY 1) FROM unnest(p.polroles) r))
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {of_users})sql",

    R"sql(SELECT 'type ' || t.oid::regtype, concat_ws(', ', t.typtype, format_type(nullif(t.typbasetype, 0), t.typtypmod), t.typnotnull, t.typdefault,
            (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
            (SELECT r.rngsubtype::regtype FROM pg_range r WHERE r.rngtypid = t.oid), pg_get_userbyid(t.typowner), obj_description(t.oid, 'pg_type'))
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r') AND {of_users})sql",

    R"sql(SELECT 'sequence options ' || s.seqrelid::regclass, concat_ws(', ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
            s.seqcycle, (SELECT concat(d.deptype, ' ', d.refobjid::regclass, ' ', d.refobjsubid) FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
            AND d.objid = s.seqrelid AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND NOT EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = d.refobjid AND a.attisdropped)))
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {of_users})sql",

    R"sql(SELECT 'statistics ' || quote_ident(x.stxname), pg_get_statisticsobjdef(x.oid)
        FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace WHERE {of_users})sql",

    R"sql(SELECT 'collation ' || quote_ident(l.collname), concat_ws(', ', l.collprovider, l.collisdeterministic)
        FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE {of_users})sql",

    R"sql(SELECT 'extension ' || quote_ident(e.extname), e.extnamespace::regnamespace::text FROM pg_extension e)sql",

    R"sql(SELECT 'event trigger ' || quote_ident(e.evtname), concat(e.evtevent, e.evtenabled, e.evtfoid::regprocedure) FROM pg_event_trigger e)sql",
};

}  // namespace tslive::harness::detail
