/** Words between a verb and what it is about. */
const filler = '(?:\\s+(?:all|any|every|of|the|these|those|your|my|our|its|other|and))*';
const ignore =
  "(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass(?:ing)?|neglect|discard|skip|drop|cancel|nullify|never\\s?mind|do\\s+not\\s+follow|don'?t\\s+follow|stop\\s+(?:following|obeying))";
const earlier =
  '(?:previous(?:ly)?|prior|above|earlier|preceding|former|foregoing|initial|original|existing|current|given|past)';
const orders =
  '(?:instructions?|directives?|directions?|guidelines?|guidance|rules?|prompts?|commands?|orders?|constraints?|programming|training|context|messages?)';
const hidden = '(?:system|initial|original|hidden|secret|internal|developer|confidential|base|full|entire|exact)';

/**
 * Phrases of attempts to put orders into a prompt, in lower case and without accents, as texts are compared. Heuristic: made by hand from the
 * attacks that OWASP LLM01 and the papers on prompt injection describe, in twelve languages; a paraphrase, another
 * language or an encoding passes, and a text about such attacks is found.
 */
export const injectionPhrases: readonly string[] = [
  `\\b${ignore}${filler}\\s+${earlier}\\s+(?:\\w+\\s+)?${orders}\\b`,
  `\\b(?:ignore|disregard|forget|override|bypass|stop\\s+following|do\\s+not\\s+follow|don't\\s+follow)\\s+(?:all\\s+(?:of\\s+)?)?your\\s+(?:\\w+\\s+)?(?:instructions|directives|guidelines|rules|prompt|programming|training|constraints)\\b`,
  '\\b(?:ignore|disregard|forget)\\s+(?:absolutely\\s+)?everything\\s+(?:above|before|prior|previously|you\\s+(?:were|have\\s+been)\\s+told|i\\s+said\\s+before|that\\s+came\\s+before)\\b',
  "\\b(?:ignore|disregard|forget|never\\s?mind)(?:\\s+\\w+){0,3}\\s+(?:instructions|rules|guidelines|directions)?\\s?(?:that\\s+)?you(?:\\s+were|\\s+have\\s+been|'ve\\s+been)\\s+(?:given|told)\\b",
  '\\b(?:ignore|disregard|forget)\\s+the\\s+(?:rest\\s+of\\s+the\\s+(?:document|text|page|email|conversation)|system\\s+(?:prompt|message))\\b',
  `\\b(?:ignore|disregard|forget)(?:\\s+\\w+){0,2}\\s+(?:instructions|rules|directions|guidelines)\\s+(?:above|before\\s+this|given\\s+(?:above|before|earlier))\\b`,
  `\\b(?:reveal|print|show|display|output|repeat|tell|give|leak|expose|disclose|recite|share)(?:\\s+(?:me|us|back|out))?\\s+your\\s+(?:${hidden}\\s+){0,2}(?:prompt|instructions|message|directives)\\b`,
  `\\b(?:reveal|print|display|output|repeat|leak|expose|disclose|recite)(?:\\s+(?:me|us|back))?\\s+the\\s+(?:system|initial|original|hidden|secret)\\s+(?:prompt|instructions|message)\\b`,
  '\\b(?:reveal|print|show|display|output|echo|dump|leak|recite|quote|include|disclose)(?:\\s+\\w+){0,5}\\s+(?:your|the|its)\\s+(?:\\w+\\s+){0,2}system[- ](?:level\\s+)?(?:prompt|message|instructions)\\b',
  '\\b(?:your|the)\\s+(?:exact\\s+)?(?:instructions|rules|prompt|words)\\s+(?:that\\s+)?you\\s+(?:were\\s+given|received|got)\\s+(?:at\\s+the\\s+(?:start|beginning)|before|above|initially)\\b',
  '\\brepeat\\s+everything\\s+(?:before|prior\\s+to)\\s+my\\s+first\\s+message\\b',
  `\\bwhat\\s+(?:is|are|was|were)\\s+your\\s+(?:${hidden}\\s+)(?:prompt|instructions|message|directives|rules)\\b`,
  '\\brepeat\\s+(?:the\\s+(?:text|words|message)|everything|all\\s+(?:the\\s+)?(?:text|words))\\s+(?:above|before\\s+this)\\b',
  '\\bnew\\s+(?:instructions?|directives?|rules)\\s*(?::|are\\b)',
  '\\bsystem\\s+(?:override|prompt\\s+override)\\b',
  '\\[system\\]\\s*\\(#',
  '<\\|im_start\\|>\\s*system\\b',
  '<\\|system\\|>',
  '<<sys>>',
  '\\[system\\]\\s*:',
  '(?m:^)###\\s*system\\s*(?::|###)',
  '\\b(?:real|actual|true)\\s+(?:instructions?|directives?|system\\s+(?:prompt|message))\\s*(?::|are\\b|is\\b)',
  '\\b(?:clear|erase|wipe|reset)\\s+your\\s+(?:memory|context)\\s+of\\b',
  "\\b(?:do\\s+not|don'?t|never)\\s+(?:tell|inform|alert|notify|mention\\s+(?:this|it|that)\\s+to)\\s+the\\s+user\\b(?:\\s+about\\b)?",
  '\\bwithout\\s+(?:telling|informing|notifying|alerting)\\s+the\\s+user\\b',
  '\\b(?:ai|llm|chatbot|language\\s+model)\\s*(?:assistants?|models?)?\\s*:\\s*you\\s+must\\b',
  '\\bif\\s+you\\s+are\\s+(?:an?\\s+)?(?:ai|llm|language\\s+model|ai\\s+(?:model|assistant))\\b',
  '\\b(?:attention|note|message|instructions?)\\s+(?:to\\s+(?:the\\s+)?|for\\s+(?:the\\s+)?)?(?:ai|llm|language\\s+model|ai\\s+(?:model|assistant))s?(?:\\s+(?:models?|assistants?|agents?))?\\s*:',
  // German
  '(?:ignorier(?:e|en)|vergiss|vergessen|missacht(?:e|en)|uberschreib(?:e|en))(?:\\s+sie)?(?:\\s+(?:alle|alles|die|deine|ihre|meine|samtliche))*\\s+(?:vorherigen|bisherigen|obigen|vorigen|fruheren|vorangegangenen|vorstehenden)\\s+(?:anweisungen|instruktionen|regeln|vorgaben|befehle)',
  '(?:zeig(?:e)?|verrate|nenne|gib)(?:\\s+mir)?\\s+(?:deinen|den|deine)\\s+(?:system-?prompt|systemanweisungen|ursprunglichen\\s+anweisungen)',
  // Spanish
  '(?:ignora|ignore|olvida|olvide|descarta)\\s+(?:todas\\s+)?(?:las\\s+|tus\\s+)?(?:instrucciones|reglas|indicaciones|ordenes)\\s+(?:anteriores|previas)',
  '(?:muestrame|dime|revela|muestra)\\s+(?:tu|el)\\s+prompt\\s+(?:del|de)\\s+sistema',
  // French
  '(?:ignore[zr]?|oublie[zr]?)\\s+(?:toutes\\s+)?(?:les\\s+|tes\\s+|vos\\s+)?(?:instructions|consignes|regles|directives)\\s+(?:precedentes|anterieures|ci-dessus)',
  '(?:revele|montre|affiche|donne)(?:-moi)?\\s+(?:ton|le|votre)\\s+prompt\\s+systeme',
  // Italian, Portuguese, Dutch, Polish
  '(?:ignora|dimentica)\\s+(?:tutte\\s+)?(?:le\\s+|tue\\s+)*(?:istruzioni|regole)\\s+(?:precedenti|di\\s+prima)',
  '(?:ignore|esqueca|desconsidere)\\s+(?:todas\\s+)?(?:as\\s+|suas\\s+)*(?:instrucoes|regras)\\s+(?:anteriores|previas)',
  '(?:negeer|vergeet)\\s+(?:alle\\s+)?(?:de\\s+|je\\s+)?(?:vorige|eerdere|bovenstaande|voorgaande)\\s+(?:instructies|regels|opdrachten)',
  '(?:zignoruj|zapomnij)\\s+(?:wszystkie\\s+)?(?:poprzednie|wczesniejsze|powyzsze)\\s+(?:instrukcje|polecenia|zasady)',
  // Russian
  '(?:игнорируй(?:те)?|проигнорируй(?:те)?|забудь(?:те)?)\\s+(?:все\\s+)?(?:предыдущие|прежние|прошлые|вышеуказанные)\\s+(?:инструкции|указания|правила|команды)',
  // Chinese, Japanese, Korean
  '(?:忽略|无视|忘记|忽视)(?:所有|全部|一切)?的?(?:之前|以上|上面|前面|先前)的?(?:所有|全部|一切)?的?(?:指令|指示|说明|规则|提示|命令)',
  '(?:以前|これまで|上記|前)の(?:すべての|全ての)?(?:指示|命令|ルール|プロンプト)(?:を|は)?(?:すべて|全て)?(?:無視|忘れ)(?:して)?',
  '(?:이전|위의|앞의|기존)\\s*(?:의\\s*)?(?:모든\\s*)?(?:지시|지침|명령|규칙)(?:사항)?(?:를|을)?\\s*(?:모두\\s*)?(?:무시|잊)',
  // Arabic, Hindi
  'تجاهل\\s+(?:جميع|كل)?\\s*(?:التعليمات|الأوامر|القواعد)\\s+(?:السابقة|أعلاه)',
  '(?:पिछले|पहले\\s+के)\\s+(?:सभी\\s+)?(?:निर्देशों|नियमों|आदेशों)\\s+को\\s+(?:अनदेखा|भूल)',
];
