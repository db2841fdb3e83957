//! The data map: of every column of every table whether it tells of a person, whose row it is, how it is told to that person
//! and how it goes when the person is erased. Export and erasure follow it; a test compares it with the database.

mod field;
mod people;
mod told;
mod work;

/// What a column tells of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who they are.
    Identity,
    /// How to reach them.
    Contact,
    /// How they prove who they are.
    Credential,
    /// Where they are.
    Location,
    /// What they do and did.
    Activity,
    /// What they use, and from where.
    Device,
    /// What somebody wrote freely, which may be about anybody.
    Text,
    /// Their number.
    Reference,
}

/// How a column is told to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// As it is.
    AsIs,
    /// As a GeoJSON geometry.
    AsPlace,
    /// Opened: the database has it sealed. Under this name.
    Opened(&'static str),
    /// Not, for this reason.
    Left(&'static str),
}

/// How a column goes when the person is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// With its row.
    WithRow,
    /// It gets its column's default: nothing, or what everybody has.
    Default,
    /// It becomes `USUARIO_ELIMINADO_` and the user's number.
    Pseudonym,
    /// It becomes an e-mail address that nobody has.
    Address,
    /// It becomes `ELIMINADO-` and the row's number.
    Code,
    /// It stays, for this reason.
    Stays(&'static str),
}

/// How a row belongs to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The column has the user's number.
    User(&'static str),
    /// The column has the number of an agent that the user is or was.
    Agent(&'static str),
    /// The column has the name of a session of the user.
    Session(&'static str),
    /// The column has the number of a task that such an agent is on.
    Work(&'static str),
}

impl Whose {
    /// The column.
    pub fn column(self) -> &'static str {
        match self {
            Self::User(column) | Self::Agent(column) | Self::Session(column) | Self::Work(column) => column,
        }
    }
}

/// What becomes of a person's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// They are nobody's.
    Nobodys,
    /// They are deleted.
    Deleted,
    /// They stay, for this reason, without what must go.
    Kept(&'static str),
}

/// A column that tells of somebody.
#[derive(Debug, Clone, Copy)]
pub struct Personal {
    /// Its name.
    pub column: &'static str,
    /// What it tells.
    pub kind: Kind,
    /// How it is told.
    pub told: Told,
    /// How it goes.
    pub gone: Gone,
}

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What its rows are for, as people read it.
    pub purpose: &'static str,
    /// How a row belongs to a user: in any of these ways.
    pub whose: &'static [Whose],
    /// What becomes of the rows.
    pub rows: Rows,
    /// Columns in whose order rows are told.
    pub key: &'static str,
    /// Columns that tell nothing of anybody by themselves.
    pub plain: &'static [&'static str],
    /// The others.
    pub personal: &'static [Personal],
    /// Columns in which others may have written of the person: there the person's name and the like are replaced.
    pub mentions: &'static [&'static str],
}

/// Emptied by the audit itself, together with its salt, so that the chain stays whole.
const EMPTIED: Gone = Gone::Stays("lo vacía la auditoría, que queda íntegra");

const fn personal(column: &'static str, kind: Kind, told: Told, gone: Gone) -> Personal {
    Personal {
        column,
        kind,
        told,
        gone,
    }
}

/// Told as it is, gone with its row.
const fn of_row(column: &'static str, kind: Kind) -> Personal {
    personal(column, kind, Told::AsIs, Gone::WithRow)
}

/// A secret: not told, gone with its row.
const fn secret(column: &'static str) -> Personal {
    personal(column, Kind::Credential, SECRET, Gone::WithRow)
}

/// The number of the user or agent in a row that stays.
const fn reference(column: &'static str) -> Personal {
    personal(column, Kind::Reference, Told::AsIs, POINTS)
}

/// What was written in a row that stays.
const fn text(column: &'static str) -> Personal {
    personal(column, Kind::Text, Told::AsIs, RECORD)
}

const fn nobodys(name: &'static str, purpose: &'static str, plain: &'static [&'static str]) -> Table {
    Table {
        name,
        purpose,
        whose: &[],
        rows: Rows::Nobodys,
        key: "",
        plain,
        personal: &[],
        mentions: &[],
    }
}

const SECRET: Told = Told::Left("es un secreto, o su huella");
const WORDS: Told = Told::Left("son las palabras de otra columna, otra vez");
const REMADE: Gone = Gone::Stays("se rehace con las palabras que quedan");
const POINTS: Gone = Gone::Stays("el número lleva a un usuario sin datos");
const RECORD: Gone = Gone::Stays("es constancia del trabajo; se reemplaza lo que nombra a la persona");

/// The tables, in the order in which they are told and go.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    people::TABLES
        .iter()
        .chain(work::TABLES)
        .chain(field::TABLES)
        .chain(told::TABLES)
}

impl Table {
    /// All its columns.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        let personal = self.personal.iter().map(|personal| personal.column);
        self.plain.iter().copied().chain(personal)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_map_does_not_contradict_itself() {
        let mut names = BTreeSet::new();
        for table in tables() {
            let Table {
                name, whose, rows, key, ..
            } = *table;
            assert!(names.insert(name), "{name} twice");
            let columns: BTreeSet<&str> = table.columns().collect();
            assert_eq!(columns.len(), table.columns().count(), "{name}: a column twice");
            assert_eq!(rows == Rows::Nobodys, whose.is_empty(), "{name}");
            assert_eq!(rows == Rows::Nobodys, table.personal.is_empty(), "{name}");
            let named = whose.iter().map(|whose| whose.column());
            let named = named.chain(key.split(", ").filter(|column| !column.is_empty()));
            for column in named.chain(table.mentions.iter().copied()) {
                assert!(columns.contains(column), "{name}.{column}");
            }
            for personal in table.personal {
                let goes = personal.gone == Gone::WithRow;
                assert_eq!(goes, rows == Rows::Deleted, "{name}.{}", personal.column);
            }
        }
    }
}
