//! Pages of the audit.
