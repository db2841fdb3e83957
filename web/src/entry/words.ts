import type { Part } from '../i18n/part';

const es = {
  toSignIn: 'Ir a iniciar sesión',
  email: 'Correo electrónico',
  noLink: 'Abra esta página con el enlace del correo. Si ya lo usó o recargó la página, ábralo de nuevo o pida otro.',
  forgot: {
    title: 'Recuperar la contraseña',
    text: 'Escriba su correo. Si hay una cuenta con él, le llegará un enlace para elegir otra contraseña.',
    submit: 'Enviar el enlace',
    done: 'Si hay una cuenta con ese correo, el enlace está en camino. Sirve una vez, durante una hora.',
  },
  reset: {
    title: 'Elegir otra contraseña',
    submit: 'Guardar la contraseña',
    done: 'La contraseña quedó guardada y todas las sesiones se cerraron. Ya puede entrar.',
    again: 'Pedir otro enlace',
  },
  invitation: {
    title: 'Activar su cuenta',
    text: 'Le invitaron a este sistema. Elija su contraseña para activar la cuenta.',
    password: 'Contraseña',
    submit: 'Activar la cuenta',
    done: 'Su cuenta está activa y su correo, confirmado. Ya puede entrar.',
  },
  verify: {
    title: 'Confirmar el correo',
    text: 'Pulse el botón para confirmar que este correo es suyo.',
    submit: 'Confirmar mi correo',
    done: 'Su correo está confirmado. Ya puede entrar.',
    again: 'Enviar otro enlace',
    sent: 'Si esa dirección está pendiente de confirmar, el correo está en camino.',
  },
  register: {
    title: 'Crear una cuenta',
    givenName: 'Nombres',
    familyName: 'Apellidos',
    username: 'Usuario',
    usernameHint: 'Opcional, para entrar sin escribir el correo.',
    phone: 'Teléfono',
    password: 'Contraseña',
    submit: 'Crear la cuenta',
    done: 'La cuenta está creada. Le enviamos un correo para confirmar su dirección.',
  },
};

const en: typeof es = {
  toSignIn: 'Go to sign in',
  email: 'E-mail',
  noLink: 'Open this page by the link in the mail. If you used it or reloaded the page, open it again or ask for another.',
  forgot: {
    title: 'Recover your password',
    text: 'Type your e-mail. If there is an account with it, a link to choose another password will come.',
    submit: 'Send the link',
    done: 'If there is an account with this e-mail, the link is on its way. It works once, for an hour.',
  },
  reset: {
    title: 'Choose another password',
    submit: 'Save the password',
    done: 'The password is saved and all sessions were closed. You can sign in now.',
    again: 'Ask for another link',
  },
  invitation: {
    title: 'Activate your account',
    text: 'You were invited to this system. Choose your password to activate the account.',
    password: 'Password',
    submit: 'Activate the account',
    done: 'Your account is active and your e-mail is confirmed. You can sign in now.',
  },
  verify: {
    title: 'Confirm your e-mail',
    text: 'Press the button to confirm that this e-mail is yours.',
    submit: 'Confirm my e-mail',
    done: 'Your e-mail is confirmed. You can sign in now.',
    again: 'Send another link',
    sent: 'If this address waits to be confirmed, the mail is on its way.',
  },
  register: {
    title: 'Create an account',
    givenName: 'Given names',
    familyName: 'Family names',
    username: 'Username',
    usernameHint: 'Optional, to sign in without typing the e-mail.',
    phone: 'Telephone',
    password: 'Password',
    submit: 'Create the account',
    done: 'The account is there. We sent you a mail to confirm your address.',
  },
};

export const words: Part<typeof es> = { es, en };
