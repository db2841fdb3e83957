//! Countries that people register from.

/// A country.
#[derive(Debug, Clone, Copy)]
pub struct Country {
    /// ISO 3166-1 code of two letters.
    pub code: &'static str,
    /// Name in Spanish.
    pub name: &'static str,
    /// Telephone prefix (ITU-T E.164).
    pub phone_prefix: &'static str,
}

/// All countries, by name.
pub const ALL: [Country; 22] = [
    country("AR", "Argentina", "+54"),
    country("BO", "Bolivia", "+591"),
    country("BR", "Brasil", "+55"),
    country("CL", "Chile", "+56"),
    country("CO", "Colombia", "+57"),
    country("CR", "Costa Rica", "+506"),
    country("CU", "Cuba", "+53"),
    country("EC", "Ecuador", "+593"),
    country("SV", "El Salvador", "+503"),
    country("ES", "España", "+34"),
    country("US", "Estados Unidos", "+1"),
    country("GT", "Guatemala", "+502"),
    country("HN", "Honduras", "+504"),
    country("MX", "México", "+52"),
    country("NI", "Nicaragua", "+505"),
    country("PA", "Panamá", "+507"),
    country("PY", "Paraguay", "+595"),
    country("PE", "Perú", "+51"),
    country("PR", "Puerto Rico", "+1"),
    country("DO", "República Dominicana", "+1"),
    country("UY", "Uruguay", "+598"),
    country("VE", "Venezuela", "+58"),
];

const fn country(code: &'static str, name: &'static str, phone_prefix: &'static str) -> Country {
    Country {
        code,
        name,
        phone_prefix,
    }
}
