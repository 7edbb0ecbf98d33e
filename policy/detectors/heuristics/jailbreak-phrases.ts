const limits = '(?:restrictions?|limits?|limitations?|rules|filters?|guidelines|constraints|censorship|boundaries)';
const moral = '(?:ethical|moral|safety|content)';
const moralLimits = `${moral}(?:\\s+(?:and|or)\\s+${moral})?\\s+(?:guidelines?|restrictions?|constraints?|limits?|limitations?|rules|polic(?:y|ies)|filters?|boundaries|considerations?|standards|judge?ments?|features|protocols)`;

/**
 * Phrases of attempts to talk a model out of its limits, in lower case and without accents, as texts are compared (names of personas as they are
 * written, apart). Heuristic: made by hand from jailbreaks that were published (DAN, STAN, AIM, developer mode, grandmother,
 * opposite mode), in nine languages; a paraphrase or a new persona passes, and a text about jailbreaks may be found.
 */
export const jailbreakPhrases: readonly string[] = [
  '\\b(?:dan|stan|dude|aim|jailbreak|god|opposite|unrestricted|uncensored)\\s+mode\\s+(?:enabled|activated|on\\b|output)',
  '\\b(?:enter|enable|activate|switch\\s+to|start)\\s+(?:the\\s+)?(?:dan|jailbreak|god|opposite|unrestricted|uncensored|evil)\\s+mode\\b',
  '\\b(?:dan|opposite|jailbreak)\\s+mode\\b',
  '\\bdeveloper\\s+mode\\s+(?:enabled|activated|output)\\b',
  '\\byou\\s+are\\s+(?:now\\s+)?in\\s+(?:god|dan|jailbreak|developer|unrestricted)\\s+mode\\b',
  '\\bdo\\s+anything\\s+now\\b',
  '\\bstrive\\s+to\\s+avoid\\s+norms\\b',
  '\\balways\\s+intelligent\\s+and\\s+machiavellian\\b',
  `\\b(?:you\\s+have|with|has|have)\\s+no\\s+(?:${moralLimits}|filters?\\b|restrictions?\\s+(?:or|and)\\s+filters?)`,
  `\\bwithout\\s+(?:any\\s+)?${moralLimits}`,
  `\\bwithout\\s+(?:any\\s+)?${limits}\\s+(?:or|and)\\s+${limits}`,
  `\\b(?:ignore|disregard|disable|bypass|turn\\s+off|switch\\s+off|remove|forget|override|deactivate)\\s+(?:all\\s+)?(?:of\\s+)?(?:your\\s+|the\\s+)?(?:own\\s+)?${moralLimits}`,
  '\\b(?:all\\s+)?safety\\s+(?:checks|filters|protocols|features|mode|guardrails)\\s+(?:are\\s+|is\\s+)?(?:now\\s+)?(?:disabled|off|deactivated|removed|suspended)\\b',
  '\\b(?:override|bypass|disable|ignore|without)\\s+(?:active\\s+|all\\s+|any\\s+)?safety\\s+(?:checks|protocols|measures|guardrails)\\b',
  '\\b(?:answer|respond|reply|comply)(?:\\s+\\w+){0,5}\\s+without\\s+(?:any\\s+|moral\\s+)?(?:restrictions?|refusal|filters?|censorship|considerations)\\b',
  '\\b(?:ai|gpt|chatgpt|model|chatbot|dan|you)\\s+(?:with|has|have|had|having)\\s+(?:absolutely\\s+)?no\\s+(?:restrictions|safety|limitations|filters|ethical|moral)\\b',
  '\\b(?:un)(?:filtered|censored|restricted|chained)-?(?:gpt|ai|bot)\\b',
  '\\b(?:remove|lift|drop)\\s+all\\s+(?:of\\s+)?your\\s+(?:restrictions|limits|limitations|filters)\\b',
  '\\b(?:not|no\\s+longer|never)\\s+bound\\s+by\\s+(?:any\\s+|the\\s+)?(?:openai|anthropic|google|rules|polic|ethic|guidelines|restrictions|limits)',
  '\\b(?:free|freed|liberated)\\s+from\\s+(?:all\\s+|any\\s+|the\\s+)?(?:typical\\s+|usual\\s+|ethical\\s+|moral\\s+)?(?:ai\\s+)?(?:restrictions|limits|limitations|confines|constraints|rules)\\b',
  '\\bbroken\\s+free\\s+of\\s+the\\s+(?:typical\\s+)?confines\\s+of\\s+ai\\b',
  `\\bpretend\\s+(?:that\\s+)?(?:you\\s+have\\s+no|to\\s+have\\s+no)\\s+${limits}\\b`,
  '\\b(?:act|pretend|roleplay|role-play|respond|answer|behave)\\s+(?:as|to\\s+be|like)\\s+an?\\s+(?:unrestricted|uncensored|unfiltered|evil|amoral|unethical|jailbroken|rogue)\\s+(?:ai|chatbot|assistant|model|language\\s+model)\\b',
  '\\byou\\s+are\\s+(?:now\\s+)?an?\\s+(?:unrestricted|uncensored|unfiltered|evil|amoral|unethical|jailbroken|rogue)\\s+(?:ai|chatbot|assistant|model|language\\s+model)\\b',
  '\\b(?:an?\\s+)?(?:ai|chatbot|model|assistant)\\s+(?:that\\s+has\\s+|with\\s+|without\\s+)(?:no\\s+|any\\s+)?(?:filters?|rules|restrictions|limits|morals|ethics)\\b',
  "\\b(?:never|cannot|must\\s+not|can't)\\s+(?:refuse|reject|decline)\\s+(?:a\\s+|any\\s+)?(?:of\\s+my\\s+|my\\s+)?(?:request|order|command|prompt|question)s?\\b",
  '\\byou\\s+(?:must\\s+never|must\\s+not|cannot|can\\s+never)\\s+(?:refuse\\b|say\\s+no\\b)',
  "\\bnever\\s+say\\s+\"?(?:no|i'?m\\s+sorry|i\\s+can(?:'t|not))",
  "\\b(?:do\\s+not|don'?t|never)\\s+(?:add|include|give)\\s+(?:any\\s+)?(?:warnings?|disclaimers?|moral\\s+lectures?)(?:\\s+(?:or|and)\\s+(?:warnings?|disclaimers?))?\\b",
  '\\beach\\s+time\\s+you\\s+(?:refuse|reject|fail\\s+to\\s+answer)\\b',
  '\\bgrandm(?:other|a)\\s+(?:who\\s+)?used\\s+to\\s+(?:read|tell|sing)\\s+me\\s+(?:\\w+\\s+){0,4}(?:recipe|steps|instructions|keys?|napalm)\\b',
  '\\bstay\\s+in\\s+character\\s+no\\s+matter\\s+what\\b',
  '\\b(?:world|universe|scenario)\\s+(?:where\\s+)?there\\s+are\\s+no\\s+(?:laws|rules)\\s+(?:and|or)\\s+(?:no\\s+)?(?:ethics|morals|rules|consequences)\\b',
  '\\[?🔓\\s*jailbreak\\]?',
  '\\bas\\s+chatgpt\\s+and\\s+(?:one|the\\s+other)\\s+as\\s+\\w+',
  // German
  '\\bdu\\s+hast\\s+keine\\s+(?:ethischen|moralischen)\\s+(?:richtlinien|regeln|grenzen|beschrankungen)',
  '\\b(?:antworte|schreibe|sprich)\\s+ohne\\s+(?:jegliche\\s+)?(?:einschrankungen|filter|zensur|grenzen)\\s+(?:und|oder)\\s+(?:einschrankungen|filter|zensur|grenzen)',
  '\\b(?:schalte|deaktiviere|umgehe)\\s+(?:alle\\s+)?(?:deine|die)\\s+(?:sicherheitsfilter|inhaltsfilter|sicherheitsrichtlinien)(?:\\s+aus)?',
  // Spanish, French, Portuguese, Italian
  '\\bno\\s+tienes\\s+(?:ninguna\\s+)?(?:restricci(?:on|ones)|limites?|reglas)\\s+(?:eticas?|morales?)',
  '\\bresponde\\s+sin\\s+(?:filtros|restricciones|censura)\\s+(?:ni|o|y)\\s+(?:filtros|restricciones|censura)',
  "\\btu\\s+n'as\\s+(?:aucune|pas\\s+de)\\s+(?:restriction|limite|regle)s?\\s+(?:ethique|morale)s?",
  '\\br(?:e|e)ponds\\s+sans\\s+(?:filtre|restriction|censure)s?\\s+(?:ni|ou|et)\\s+(?:filtre|restriction|censure)s?',
  '\\b(?:responda|rispondi)\\s+(?:sem|senza)\\s+(?:filtros|filtri|restricoes|restrizioni|censura)\\b',
  // Russian, Chinese
  'отвечай(?:те)?\\s+без\\s+(?:ограничений|цензуры|фильтров)(?:\\s+и\\s+(?:ограничений|цензуры|фильтров))?',
  '(?:没有|不受)(?:任何)?(?:道德|伦理|安全)(?:限制|约束|准则)',
];

/** Names of personas count as they are written only: `Dan` is a name. */
export const personaPhrases: readonly string[] = [
  '(?i:\\b(?:you\\s+are\\s+(?:now|going\\s+to\\s+act\\s+as)|act\\s+(?:as|like)|pretend\\s+to\\s+be|roleplay\\s+as|become|respond\\s+as|answer\\s+as|du\\s+bist\\s+jetzt|ahora\\s+eres|tu\\s+es\\s+maintenant|sei\\s+ora|voc[eê]\\s+agora\\s+[eé]|ты\\s+теперь))\\s+(?:(?i:an?)\\s+)?(?:DAN|STAN|DUDE|AIM|BetterDAN|AntiGPT|EvilBOT)\\b',
  '(?i:ты\\s+теперь)\\s+(?:DAN|STAN|DUDE|AIM)\\b',
  '(?:你现在是|你是|あなたは今から|あなたは)\\s*(?:DAN|STAN)\\b',
];
