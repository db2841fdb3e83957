//! What our mail says, in Spanish and English.

use crate::domain::mail::{Letter, Purpose};

/// Whom a mail goes to.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// Address.
    pub email: &'a str,
    /// Name.
    pub name: &'a str,
    /// `es` or `en`.
    pub language: &'a str,
}

/// Writes a mail. `link` is what it asks to open; mails without one ignore it.
pub fn write(purpose: Purpose, project: &str, recipient: &Recipient<'_>, link: &str) -> Letter {
    let Recipient { email, name, language } = recipient;
    let (subject, body) = match *language {
        "en" => english(purpose, project, link),
        _ => spanish(purpose, project, link),
    };
    // What people call themselves must not begin lines of its own.
    let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
    let greeting = match (*language, name.trim()) {
        ("en", "") => "Hello,".to_owned(),
        ("en", name) => format!("Hello, {name}:"),
        (_, "") => "Hola:".to_owned(),
        (_, name) => format!("Hola, {name}:"),
    };
    Letter {
        to: (*email).to_owned(),
        subject,
        text: format!("{greeting}\n\n{body}\n\n{project}\n"),
    }
}

fn spanish(purpose: Purpose, project: &str, link: &str) -> (String, String) {
    match purpose {
        Purpose::Invitation => (
            format!("Invitación a {project}"),
            format!("Tiene una cuenta en {project}. Para activarla, elija su contraseña:\n\n{link}\n\nEl enlace sirve una vez y vence en 7 días."),
        ),
        Purpose::Verification => (
            format!("Verifica tu cuenta - {project}"),
            format!("Para confirmar que este correo es suyo, abra este enlace:\n\n{link}\n\nEl enlace sirve una vez y vence en 24 horas. Si no creó una cuenta, no haga nada."),
        ),
        Purpose::Reset => (
            format!("Restablecimiento de contraseña - {project}"),
            format!("Alguien pidió una contraseña nueva para su cuenta. Para elegirla, abra este enlace:\n\n{link}\n\nEl enlace sirve una vez y vence en 1 hora. Si no fue usted, no haga nada: su contraseña sigue siendo la misma."),
        ),
        Purpose::Welcome => (
            format!("¡Bienvenido a {project}!"),
            format!("Su correo está confirmado. Ya puede iniciar sesión:\n\n{link}"),
        ),
        Purpose::Locked => (
            format!("Su cuenta está bloqueada - {project}"),
            "Hubo varios intentos fallidos de entrar a su cuenta, y por eso está bloqueada durante 30 minutos. Si no fue usted, cambie su contraseña después; un administrador puede desbloquear la cuenta antes.".to_owned(),
        ),
        Purpose::PasswordChanged => (
            format!("Su contraseña cambió - {project}"),
            "La contraseña de su cuenta acaba de cambiar. Si no fue usted, avise de inmediato a un administrador.".to_owned(),
        ),
        Purpose::SecondFactorOff => (
            format!("Segundo factor desactivado - {project}"),
            "El segundo factor de su cuenta acaba de desactivarse. Si no fue usted, avise de inmediato a un administrador.".to_owned(),
        ),
    }
}

fn english(purpose: Purpose, project: &str, link: &str) -> (String, String) {
    match purpose {
        Purpose::Invitation => (
            format!("Invitation to {project}"),
            format!("You have an account at {project}. To activate it, choose your password:\n\n{link}\n\nThe link works once and ends in 7 days."),
        ),
        Purpose::Verification => (
            format!("Verify your account - {project}"),
            format!("To confirm that this address is yours, open this link:\n\n{link}\n\nThe link works once and ends in 24 hours. If you did not create an account, do nothing."),
        ),
        Purpose::Reset => (
            format!("Password reset - {project}"),
            format!("Somebody asked for a new password for your account. To choose it, open this link:\n\n{link}\n\nThe link works once and ends in 1 hour. If it was not you, do nothing: your password stays as it is."),
        ),
        Purpose::Welcome => (
            format!("Welcome to {project}!"),
            format!("Your address is confirmed. You can sign in now:\n\n{link}"),
        ),
        Purpose::Locked => (
            format!("Your account is locked - {project}"),
            "There were several failed attempts to sign in to your account, so it is locked for 30 minutes. If it was not you, change your password afterwards; an administrator can unlock the account before.".to_owned(),
        ),
        Purpose::PasswordChanged => (
            format!("Your password was changed - {project}"),
            "The password of your account was just changed. If it was not you, tell an administrator at once.".to_owned(),
        ),
        Purpose::SecondFactorOff => (
            format!("Second factor switched off - {project}"),
            "The second factor of your account was just switched off. If it was not you, tell an administrator at once.".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mail_speaks_the_language_of_its_reader_and_holds_its_link() {
        for purpose in Purpose::ALL {
            let [es, en] = ["es", "en"].map(|language| {
                let recipient = Recipient {
                    email: "a@gad.example",
                    name: "Ana\r\nBcc: x",
                    language,
                };
                write(purpose, "GAD", &recipient, "https://gad.example/x?token=t")
            });
            assert_ne!(es.text, en.text);
            for letter in [es, en] {
                assert!(letter.subject.contains("GAD") && !letter.subject.contains('\n'));
                assert!(!letter.text.contains("\r\nBcc"), "{}", letter.text);
                assert!(purpose.lifetime().is_none() || letter.text.contains("token=t"));
            }
        }
    }
}
