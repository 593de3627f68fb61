#pragma once

#include <string>
#include <vector>

#include "tslive/core/error.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::schema {

struct RoleReport {
    std::vector<std::string> created;
    /// Of those, the ones that may log in: somebody has to set their passwords.
    std::vector<std::string> without_password;
    std::vector<std::string> warnings;  ///< attributes, memberships and settings that the target refused
};

/// Makes the source's roles, with attributes, memberships, settings and comments, where the target lacks them.
///
/// Read from pg_roles, which everybody may read, so passwords do not come along. Left out: predefined roles (pg_*), the
/// superuser that initdb made, and those of managed services (rdsadmin, cloudsqlsuperuser…). A role that exists keeps
/// its attributes and the settings it has. Grants are made by us, whoever made them on the source.
/// Repeatable: what is there is left alone.
///
/// @param target  its role needs CREATEROLE; SUPERUSER, REPLICATION, BYPASSRLS and the like are set where it may, else
///                a warning
/// @throws Error  (operator_action) naming all roles that could not be made, since their objects will need them
RoleReport copy_roles(pg::Connection& source, pg::Connection& target);

}  // namespace tslive::schema

#include "tslive/schema/impl/roles.ipp"
