/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "referral_words.h"


const referral_words_t  referral_words[REFERRAL_NWORDS] = {

    { "en",
      "I think you will like this shop. Here is my link: {link}",
      "I think you will like this shop. With my link you get {reward}: {link}",
      "A recommendation",
      "Share your link", "Your link", "Your message", "Copy", "Copied",
      "Send it with", "More ways to share",
      "QR code of your link", "Save the QR code", "Terms" },

    { "de",
      "Dieser Shop könnte dir gefallen. Hier ist mein Link: {link}",
      "Dieser Shop könnte dir gefallen. Mit meinem Link bekommst du {reward}: "
          "{link}",
      "Eine Empfehlung",
      "Link teilen", "Dein Link", "Deine Nachricht", "Kopieren", "Kopiert",
      "Senden mit", "Weitere Wege zu teilen",
      "QR-Code deines Links", "QR-Code speichern", "Bedingungen" },

    { "fr",
      "Je pense que cette boutique te plaira. Voici mon lien : {link}",
      "Je pense que cette boutique te plaira. Avec mon lien, tu reçois "
          "{reward} : {link}",
      "Une recommandation",
      "Partager ton lien", "Ton lien", "Ton message", "Copier", "Copié",
      "Envoyer par", "Autres façons de partager",
      "Code QR de ton lien", "Enregistrer le code QR", "Conditions" },

    { "es",
      "Creo que te gustará esta tienda. Este es mi enlace: {link}",
      "Creo que te gustará esta tienda. Con mi enlace consigues {reward}: "
          "{link}",
      "Una recomendación",
      "Comparte tu enlace", "Tu enlace", "Tu mensaje", "Copiar", "Copiado",
      "Enviar por", "Otras formas de compartir",
      "Código QR de tu enlace", "Guardar el código QR", "Condiciones" },

    { "it",
      "Penso che questo negozio ti piacerà. Ecco il mio link: {link}",
      "Penso che questo negozio ti piacerà. Con il mio link ricevi {reward}: "
          "{link}",
      "Un consiglio",
      "Condividi il tuo link", "Il tuo link", "Il tuo messaggio", "Copia",
      "Copiato", "Invia con", "Altri modi per condividere",
      "Codice QR del tuo link", "Salva il codice QR", "Condizioni" },

    { "nl",
      "Ik denk dat je deze winkel leuk vindt. Dit is mijn link: {link}",
      "Ik denk dat je deze winkel leuk vindt. Met mijn link krijg je {reward}: "
          "{link}",
      "Een aanbeveling",
      "Deel je link", "Je link", "Je bericht", "Kopiëren", "Gekopieerd",
      "Versturen met", "Meer manieren om te delen",
      "QR-code van je link", "QR-code opslaan", "Voorwaarden" },

    { "pt",
      "Acho que vais gostar desta loja. Este é o meu link: {link}",
      "Acho que vais gostar desta loja. Com o meu link recebes {reward}: "
          "{link}",
      "Uma recomendação",
      "Partilha o teu link", "O teu link", "A tua mensagem", "Copiar",
      "Copiado", "Enviar por", "Outras formas de partilhar",
      "Código QR do teu link", "Guardar o código QR", "Condições" },

    { "pl",
      "Myślę, że spodoba Ci się ten sklep. Oto mój link: {link}",
      "Myślę, że spodoba Ci się ten sklep. Z moim linkiem dostaniesz {reward}: "
          "{link}",
      "Polecam",
      "Udostępnij swój link", "Twój link", "Twoja wiadomość", "Kopiuj",
      "Skopiowano", "Wyślij przez", "Inne sposoby udostępniania",
      "Kod QR Twojego linku", "Zapisz kod QR", "Warunki" }
};
