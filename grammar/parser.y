/* The grammar of model files: LALR(1), no conflicts. Actions only build nodes; ast.h lists them. */
%require "3.8"
%define api.pure full
%define api.prefix {leq_}
%define api.token.prefix {TOK_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%expect 0
%locations
%parse-param {Parser *p}
%lex-param {Parser *p}

%code requires {
#include "syntax.h"
}

%union {
    Name name;
    Atom text;
    Literal literal;
    Amount amount;
    Ast *ast;
    AstList *list;
}

%code provides {
int leq_lex(LEQ_STYPE *value, Span *span, Parser *parser);
}

%code {
#define YYLLOC_DEFAULT(Current, Rhs, N)                                                                                \
    do {                                                                                                               \
        (Current).source = YYRHSLOC(Rhs, (N) ? 1 : 0).source;                                                          \
        (Current).begin = (N) ? YYRHSLOC(Rhs, 1).begin : YYRHSLOC(Rhs, 0).end;                                         \
        (Current).end = YYRHSLOC(Rhs, N).end;                                                                          \
    } while (0)

#define NODE0(kind, span, name) ast_build(p, AST_##kind, span, name, NULL, 0)
#define NODE(kind, span, name, count, ...) ast_build(p, AST_##kind, span, name, NULL, count, __VA_ARGS__)
#define NODE_LIST(kind, span, name, list) ast_build(p, AST_##kind, span, name, list, 0)

static void leq_error(const Span *span, Parser *p, const char *message);
static Ast *binary(Parser *p, Span span, const char *operator, Span operator_span, Ast *left, Ast *right);
static Ast *unary(Parser *p, Span span, const char *operator, Span operator_span, Ast *operand);
static Ast *name_node(Parser *p, Name name);
static Name name_of(Parser *p, const char *word, Span span);
}

%token END 0 "the end of the file"
%token SEPARATOR "the end of the line"
%token <name> NAME "a name"
%token <literal> NUMBER "a number"
%token <text> STRING "a text in quotes"

/* Words that begin a statement */
%token IMPORT "import" FUNCTION "function" NEURON "neuron" SYNAPSE "synapse" NETWORK "network" OPTIMISER "optimiser"
%token EXPERIMENT "experiment"
%token PARAM "param" STATE "state" INPUT "input" OUTPUT "output" LET "let" ENERGY "energy" COMPARTMENT "compartment"
%token COUPLE "couple" NOISE "noise" WEIGHT "weight" CURRENT "current" PLASTICITY "plasticity" COUNT "count"
%token TARGET "target" LABEL "label" POPULATION "population" CONNECT "connect" COST "cost" DYNAMICS "dynamics"
%token LEARN "learn" ORDER "order" PHASE "phase" ON "on"
%token DATA "data" PRESENT "present" BATCH_SIZE "batch" EPOCHS "epochs" DURATION "duration" SETTLE "settle"
%token SCORE "score" EVALUATE "evaluate" ANNEAL "anneal" RECORD "record" STAGE "stage" DISTURB "disturb"
%token <name> DERIVATIVE "d(…)"

/* Words that have a meaning only at their place in a statement */
%token INITIALLY "initially" OVER "over" BY "by" WITH "with" FOR "for" IN "in" FROM "from" UNTIL "until" EVERY "every"
%token <name> CLAMP "`clamp`" BATCH "`batch`" SHUFFLE "`shuffle`" EXPONENTIAL "`exponential`" RESET "`reset`"
%token <name> PRESENTATION "presentation" EPOCH "epoch"
%token <name> GAMMA "gamma" ALL "all"
%token STEP "step" STEPS "steps" EPOCH_COUNT "epochs " PRESENTATION_COUNT "presentations" AT_END "end" OF "of"

%token ARROW "->" ASSIGN "<-" DOTS ".." EQUAL "==" DIFFERENT "!=" AT_MOST "<=" AT_LEAST ">="
%token OR "or" AND "and" NOT "not"

%left OR
%left AND
%precedence NOT
%nonassoc EQUAL DIFFERENT '<' '>' AT_MOST AT_LEAST
%left '+' '-'
%left '*' '/' '@'
%precedence NEGATIVE
%right '^'

%type <list> declarations neuron_items neuron_item synapse_items synapse_item optimiser_items optimiser_item
%type <list> network_items network_item phase_items phase_item experiment_items assignments
%type <list> states state_list inputs input_list parameter_list arguments argument_list values targets
%type <list> weight_options rule_options bindings records external_list disturb_options
%type <ast> declaration parameters parameter state input_one neuron_plain synapse_plain network_plain experiment_item
%type <ast> parameter_item output let equation assignment on weight array weight_option plasticity rate_rule rule_option
%type <ast> setting population kind gamma connect for dynamics learn by_optimiser external
%type <ast> data present binding presented_for evaluate every batch_option record stage disturb disturb_option
%type <ast> expression value argument postfix primary target call range operand_list
%type <name> name period

%type <amount> amount
%type <list> sizes

%%

file: declarations { p->file = NODE_LIST(FILE, @$, NO_NAME, $1); }

declarations:
  %empty                                   { $$ = ast_list_new(p); }
| declarations declaration SEPARATOR       { $$ = $2 ? ast_list_add(p, $1, $2) : $1; }
| declarations error SEPARATOR             { $$ = $1; yyerrok; }

declaration:
  IMPORT STRING                            { $$ = ast_string(p, AST_IMPORT, @$, $2); }
| FUNCTION name parameters '=' value       { $$ = NODE(FUNCTION, @$, $2, 2, $3, $5); }
| NEURON name parameters '{' neuron_items '}'
    { $$ = ast_build(p, AST_NEURON, @$, $2, $5, 1, $3); }
| SYNAPSE name parameters '{' synapse_items '}'
    { $$ = ast_build(p, AST_SYNAPSE, @$, $2, $5, 1, $3); }
| OPTIMISER name parameters '{' optimiser_items '}'
    { $$ = ast_build(p, AST_OPTIMISER, @$, $2, $5, 1, $3); }
| NETWORK name parameters '{' network_items '}'
    { $$ = ast_build(p, AST_NETWORK, @$, $2, $5, 1, $3); }
| EXPERIMENT name '{' experiment_items '}' { $$ = NODE_LIST(EXPERIMENT, @$, $2, $4); }
/* After an error in a head the block is still read, for the errors in it. */
| NEURON error '{' { yyerrok; } neuron_items '}'         { $$ = NULL; }
| SYNAPSE error '{' { yyerrok; } synapse_items '}'       { $$ = NULL; }
| OPTIMISER error '{' { yyerrok; } optimiser_items '}'   { $$ = NULL; }
| NETWORK error '{' { yyerrok; } network_items '}'       { $$ = NULL; }
| EXPERIMENT error '{' { yyerrok; } experiment_items '}' { $$ = NULL; }

parameters:
  %empty                                   { $$ = NODE0(PARAMETERS, @$, NO_NAME); }
| '(' ')'                                  { $$ = NODE0(PARAMETERS, @$, NO_NAME); }
| '(' parameter_list ')'                   { $$ = NODE_LIST(PARAMETERS, @$, NO_NAME, $2); }

parameter_list:
  parameter                                { $$ = ast_list_of(p, $1); }
| parameter_list ',' parameter             { $$ = ast_list_add(p, $1, $3); }

parameter:
  name                                     { $$ = NODE(PARAMETER, @$, $1, 1, NULL); }
| name '=' value                           { $$ = NODE(PARAMETER, @$, $1, 1, $3); }
| name '~' value                           { $$ = ast_with_flags(NODE(PARAMETER, @$, $1, 1, $3), AST_DRAW); }

/* ---- Neurons */

neuron_items:
  %empty                                   { $$ = ast_list_new(p); }
| neuron_items neuron_item SEPARATOR       { $$ = ast_list_join(p, $1, $2); }
| neuron_items error SEPARATOR             { $$ = $1; yyerrok; }

neuron_item: states | inputs | neuron_plain { $$ = ast_list_of(p, $1); }

neuron_plain:
  parameter_item
| output
| let
| equation
| assignment
| on
| ENERGY value                             { $$ = NODE(ENERGY, @$, NO_NAME, 1, $2); }
| NOISE '(' value ')'                      { $$ = NODE(NOISE, @$, NO_NAME, 1, $3); }
| COUPLE target ARROW target ':' value     { $$ = NODE(COUPLE, @$, NO_NAME, 3, $2, $4, $6); }
| COMPARTMENT name '{' neuron_items '}'    { $$ = NODE_LIST(COMPARTMENT, @$, $2, $4); }
| COMPARTMENT error '{' { yyerrok; } neuron_items '}' { $$ = NULL; }

parameter_item:
  PARAM name '=' value                     { $$ = NODE(PARAMETER, @$, $2, 1, $4); }
| PARAM name '~' value                     { $$ = ast_with_flags(NODE(PARAMETER, @$, $2, 1, $4), AST_DRAW); }

states: STATE state_list                   { $$ = $2; }

state_list:
  state                                    { $$ = ast_list_of(p, $1); }
| state_list ',' state                     { $$ = ast_list_add(p, $1, $3); }

state:
  name '=' value                           { $$ = NODE(STATE, @$, $1, 1, $3); }
| name '~' value                           { $$ = ast_with_flags(NODE(STATE, @$, $1, 1, $3), AST_DRAW); }
| name '[' sizes ']' '=' value             { $$ = NODE(STATE, @$, $1, 2, $6, NODE_LIST(LIST, @3, NO_NAME, $3)); }
| name '[' sizes ']' '~' value
    { $$ = ast_with_flags(NODE(STATE, @$, $1, 2, $6, NODE_LIST(LIST, @3, NO_NAME, $3)), AST_DRAW); }

inputs: INPUT input_list                   { $$ = $2; }

input_list:
  input_one                                { $$ = ast_list_of(p, $1); }
| input_list ',' input_one                 { $$ = ast_list_add(p, $1, $3); }

input_one:
  name                                     { $$ = NODE(INPUT, @$, $1, 1, NULL); }
| name '[' sizes ']'                       { $$ = NODE(INPUT, @$, $1, 1, ast_sizes(p, @3, $3)); }

sizes: values

output:
  OUTPUT name '=' value                    { $$ = NODE(OUTPUT, @$, $2, 2, $4, NULL); }
| OUTPUT name '=' value INITIALLY value    { $$ = NODE(OUTPUT, @$, $2, 2, $4, $6); }

let: LET name '=' value                    { $$ = NODE(LET, @$, $2, 1, $4); }

equation:
  rate_rule
| rate_rule ',' EXPONENTIAL
    { $$ = NODE(EQUATION, @$, name_of(p, "exponential", @3), 2, $1->count > 0 ? $1->child[0] : NULL,
                $1->count > 1 ? $1->child[1] : NULL); }

rate_rule: DERIVATIVE '(' expression ')' '=' value
    {
      Span left = {@1.source, @1.begin, @4.end};
      $$ = NODE(EQUATION, @$, NO_NAME, 2, NODE(CALL, left, NO_NAME, 2, name_node(p, $1), $3), $6);
    }

assignment: target ASSIGN value            { $$ = NODE(ASSIGN, @$, NO_NAME, 2, $1, $3); }

on:
  ON AT_END OF period '{' assignments '}'  { $$ = NODE_LIST(ON, @$, $4, $6); }
| ON expression '{' assignments '}'        { $$ = ast_build(p, AST_ON, @$, NO_NAME, $4, 1, $2); }
| ON error '{' { yyerrok; } assignments '}' { $$ = NULL; }

period: PRESENTATION | EPOCH

assignments:
  %empty                                   { $$ = ast_list_new(p); }
| assignments assignment SEPARATOR         { $$ = ast_list_add(p, $1, $2); }
| assignments error SEPARATOR              { $$ = $1; yyerrok; }

/* ---- Synapses and optimisers */

synapse_items:
  %empty                                   { $$ = ast_list_new(p); }
| synapse_items synapse_item SEPARATOR     { $$ = ast_list_join(p, $1, $2); }
| synapse_items error SEPARATOR            { $$ = $1; yyerrok; }

synapse_item: states | synapse_plain       { $$ = ast_list_of(p, $1); }

synapse_plain:
  parameter_item
| let
| equation
| assignment
| on
| weight
| plasticity
| ENERGY value                             { $$ = NODE(ENERGY, @$, NO_NAME, 1, $2); }
| CURRENT value                            { $$ = NODE(CURRENT, @$, NO_NAME, 1, $2); }

weight:
  WEIGHT array                             { $$ = ast_with_span($2, @$); }
| PARAM array                              { $$ = ast_with_flags(ast_with_span($2, @$), AST_FIXED); }

array:
  name '[' sizes ']' weight_options
    { $$ = ast_build(p, AST_WEIGHT, @$, $1, $5, 2, NODE_LIST(LIST, @3, NO_NAME, $3), NULL); }
| name '[' sizes ']' '=' value weight_options
    { $$ = ast_build(p, AST_WEIGHT, @$, $1, $7, 2, NODE_LIST(LIST, @3, NO_NAME, $3), $6); }
| name '[' sizes ']' '~' value weight_options
    { $$ = ast_with_flags(ast_build(p, AST_WEIGHT, @$, $1, $7, 2, NODE_LIST(LIST, @3, NO_NAME, $3), $6), AST_DRAW); }

weight_options:
  %empty                                   { $$ = ast_list_new(p); }
| weight_options ',' weight_option         { $$ = ast_list_add(p, $1, $3); }

/* Options of a weight are words: `zero diagonal`, or a call: `sparse(p = 0.2)`. */
weight_option:
  name                                     { $$ = NODE(OPTION, @$, $1, 1, NULL); }
| name name
    { $$ = NODE(OPTION, @$, name_of(p, arena_format(p->arena, "%s %s", $1.atom, $2.atom), @$), 1, NULL); }
| name arguments                           { $$ = NODE(OPTION, @$, $1, 1,
                                             ast_build(p, AST_CALL, @$, NO_NAME, $2, 1, name_node(p, $1))); }

plasticity:
  PLASTICITY rate_rule rule_options        { $$ = ast_build(p, AST_PLASTICITY, @$, NO_NAME, $3, 1, $2); }
| PLASTICITY assignment rule_options       { $$ = ast_build(p, AST_PLASTICITY, @$, NO_NAME, $3, 1, $2); }

rule_options:
  %empty                                   { $$ = ast_list_new(p); }
| rule_options rule_option                 { $$ = ast_list_add(p, $1, $2); }

rule_option:
  FROM expression                          { $$ = NODE(FROM, @$, NO_NAME, 1, $2); }
| FROM STEP expression                     { $$ = ast_with_flags(NODE(FROM, @$, NO_NAME, 1, $3), AST_STEP); }
| UNTIL expression                         { $$ = NODE(UNTIL, @$, NO_NAME, 1, $2); }
| UNTIL STEP expression                    { $$ = ast_with_flags(NODE(UNTIL, @$, NO_NAME, 1, $3), AST_STEP); }
| ',' CLAMP expression DOTS expression
    { $$ = NODE(CLAMP, ((Span){@2.source, @2.begin, @5.end}), NO_NAME, 2, $3, $5); }

optimiser_items:
  %empty                                   { $$ = ast_list_new(p); }
| optimiser_items optimiser_item SEPARATOR { $$ = ast_list_join(p, $1, $2); }
| optimiser_items error SEPARATOR          { $$ = $1; yyerrok; }

optimiser_item:
  states
| let                                      { $$ = ast_list_of(p, $1); }
| assignment                               { $$ = ast_list_of(p, $1); }
| COUNT name                               { $$ = ast_list_of(p, NODE0(COUNT, @$, $2)); }

/* ---- Networks */

network_items:
  %empty                                   { $$ = ast_list_new(p); }
| network_items network_item SEPARATOR     { $$ = ast_list_join(p, $1, $2); }
| network_items error SEPARATOR            { $$ = $1; yyerrok; }

network_item:
  inputs
| TARGET external_list
    {
      $$ = $2;
      for (uint32_t i = 0; i < $$->count; i++) $$->items[i]->kind = AST_TARGET;
    }
| LABEL external_list
    {
      $$ = $2;
      for (uint32_t i = 0; i < $$->count; i++) $$->items[i]->kind = AST_LABEL;
    }
| network_plain                            { $$ = ast_list_of(p, $1); }
| PHASE name '{' phase_items '}'           { $$ = ast_list_of(p, NODE_LIST(PHASE, @$, $2, $4)); }
| PHASE error '{' { yyerrok; } phase_items '}' { $$ = ast_list_new(p); }

phase_items:
  %empty                                   { $$ = ast_list_new(p); }
| phase_items phase_item SEPARATOR         { $$ = ast_list_join(p, $1, $2); }
| phase_items error SEPARATOR              { $$ = $1; yyerrok; }

phase_item:
  network_plain                            { $$ = ast_list_of(p, $1); }
| ENERGY value                             { $$ = ast_list_of(p, NODE(ENERGY, @$, NO_NAME, 1, $2)); }

external_list:
  external                                 { $$ = ast_list_of(p, $1); }
| external_list ',' external               { $$ = ast_list_add(p, $1, $3); }

external: name '[' sizes ']'               { $$ = NODE(TARGET, @$, $1, 1, ast_sizes(p, @3, $3)); }

network_plain:
  setting
| parameter_item
| let
| population
| connect
| dynamics
| learn
| on
| COST value                               { $$ = NODE(COST, @$, NO_NAME, 1, $2); }
| ORDER name                               { $$ = NODE0(ORDER, @$, $2); }

setting: NAME '=' value                    { $$ = NODE(SETTING, @$, $1, 1, $3); }

population:
  POPULATION name '=' kind gamma           { $$ = NODE(POPULATION, @$, $2, 3, NULL, $4, $5); }
| POPULATION name '[' expression ']' '=' kind gamma { $$ = NODE(POPULATION, @$, $2, 3, $4, $7, $8); }

kind:
  name                                     { $$ = name_node(p, $1); }
| name '[' sizes ']'                       { $$ = ast_build(p, AST_INDEX, @$, NO_NAME, $3, 1, name_node(p, $1)); }
| name arguments                           { $$ = ast_build(p, AST_CALL, @$, NO_NAME, $2, 1, name_node(p, $1)); }
| name '[' sizes ']' arguments
    {
      Span sized = {@1.source, @1.begin, @4.end};
      $$ = ast_build(p, AST_CALL, @$, NO_NAME, $5, 1,
                     ast_build(p, AST_INDEX, sized, NO_NAME, $3, 1, name_node(p, $1)));
    }

gamma:
  %empty                                   { $$ = NULL; }
| WITH GAMMA '=' value                     { $$ = $4; }

connect:
  CONNECT name ':' target ARROW target BY call for { $$ = NODE(CONNECT, @$, $2, 5, NULL, $4, $6, $8, $9); }
| CONNECT name '[' expression ']' ':' target ARROW target BY call for
    { $$ = NODE(CONNECT, @$, $2, 5, $4, $7, $9, $11, $12); }

for:
  %empty                                   { $$ = NULL; }
| FOR name IN range                        { $$ = NODE(FOR, @$, $2, 1, $4); }

range: expression DOTS expression          { $$ = NODE(RANGE, @$, NO_NAME, 2, $1, $3); }

dynamics:
  DYNAMICS name                            { $$ = NODE0(DYNAMICS, @$, $2); }
| DYNAMICS name arguments                  { $$ = NODE_LIST(DYNAMICS, @$, $2, $3); }

learn:
  LEARN targets by_optimiser rule_options
    { $$ = ast_build(p, AST_LEARN, @$, NO_NAME, $4, 2, NODE_LIST(LIST, @2, NO_NAME, $2), $3); }
| LEARN ALL by_optimiser rule_options
    { $$ = ast_with_flags(ast_build(p, AST_LEARN, @$, NO_NAME, $4, 2, NODE0(LIST, @2, NO_NAME), $3), AST_ALL); }

by_optimiser: BY call                      { $$ = $2; }

targets:
  target                                   { $$ = ast_list_of(p, $1); }
| targets ',' target                       { $$ = ast_list_add(p, $1, $3); }

/* ---- Experiments */

experiment_items:
  %empty                                   { $$ = ast_list_new(p); }
| experiment_items experiment_item SEPARATOR { $$ = ast_list_add(p, $1, $2); }
| experiment_items error SEPARATOR         { $$ = $1; yyerrok; }

experiment_item:
  target '=' value                         { $$ = NODE(SET, @$, NO_NAME, 2, $1, $3); }
| let
| data
| present
| evaluate
| record
| BATCH_SIZE expression                    { $$ = NODE(BATCH, @$, NO_NAME, 1, $2); }
| BATCH_SIZE expression ',' SHUFFLE        { $$ = ast_with_flags(NODE(BATCH, @$, NO_NAME, 1, $2), AST_SHUFFLE); }
| EPOCHS expression                        { $$ = NODE(EPOCHS, @$, NO_NAME, 1, $2); }
| DURATION amount                          { $$ = ast_with_flags(NODE(DURATION, @$, NO_NAME, 1, $2.value), $2.flags); }
| SETTLE amount                            { $$ = ast_with_flags(NODE(SETTLE, @$, NO_NAME, 1, $2.value), $2.flags); }
| SCORE name '=' value                     { $$ = NODE(SCORE, @$, $2, 1, $4); }
| ANNEAL name BY call                      { $$ = NODE(ANNEAL, @$, $2, 1, $4); }
| LEARN targets                            { $$ = NODE(LEARN, @$, NO_NAME, 1, NODE_LIST(LIST, @2, NO_NAME, $2)); }
| LEARN ALL
    { $$ = ast_with_flags(NODE(LEARN, @$, NO_NAME, 1, NODE0(LIST, @2, NO_NAME)), AST_ALL); }
| stage
| disturb

stage:
  STAGE name FOR amount '{' experiment_items '}'
    {
      Ast *length = ast_with_flags(NODE(DURATION, $4.value ? $4.value->span : @4, NO_NAME, 1, $4.value), $4.flags);
      $$ = ast_build(p, AST_STAGE, @$, $2, $6, 1, length);
    }
| STAGE error '{' { yyerrok; } experiment_items '}' { $$ = NULL; }

disturb:
  DISTURB disturb_options '{' experiment_items '}'
    { $$ = ast_build(p, AST_DISTURB, @$, NO_NAME, $4, 1, NODE_LIST(LIST, @2, NO_NAME, $2)); }
| DISTURB error '{' { yyerrok; } experiment_items '}' { $$ = NULL; }

disturb_options:
  %empty                                   { $$ = ast_list_new(p); }
| disturb_options disturb_option           { $$ = ast_list_add(p, $1, $2); }

disturb_option:
  FROM amount                              { $$ = ast_with_flags(NODE(FROM, @$, NO_NAME, 1, $2.value), $2.flags); }
| FROM STEP expression                     { $$ = ast_with_flags(NODE(FROM, @$, NO_NAME, 1, $3), AST_STEP); }
| UNTIL amount                             { $$ = ast_with_flags(NODE(UNTIL, @$, NO_NAME, 1, $2.value), $2.flags); }
| UNTIL STEP expression                    { $$ = ast_with_flags(NODE(UNTIL, @$, NO_NAME, 1, $3), AST_STEP); }
| EVERY amount                             { $$ = ast_with_flags(NODE(DURATION, @$, NO_NAME, 1, $2.value), $2.flags); }

data: DATA name '=' value                  { $$ = NODE(DATA, @$, $2, 1, $4); }

present:
  PRESENT bindings                         { $$ = NODE_LIST(PRESENT, @$, NO_NAME, ast_list_add(p, $2, NULL)); }
| PRESENT bindings ',' RESET
    { $$ = ast_with_flags(NODE_LIST(PRESENT, @$, NO_NAME, ast_list_add(p, $2, NULL)), AST_RESET); }
| PRESENT bindings presented_for           { $$ = NODE_LIST(PRESENT, @$, NO_NAME, ast_list_add(p, $2, $3)); }
| PRESENT bindings presented_for ',' RESET
    { $$ = ast_with_flags(NODE_LIST(PRESENT, @$, NO_NAME, ast_list_add(p, $2, $3)), AST_RESET); }

bindings:
  binding                                  { $$ = ast_list_of(p, $1); }
| bindings ',' binding                     { $$ = ast_list_add(p, $1, $3); }

binding: name '=' value                    { $$ = NODE(ARGUMENT, @$, $1, 1, $3); }

presented_for:
  FOR amount                               { $$ = ast_with_flags(NODE(DURATION, @$, NO_NAME, 1, $2.value), $2.flags); }

evaluate:
  EVALUATE name every batch_option         { $$ = NODE(EVALUATE, @$, $2, 2, $3, $4); }
| EVALUATE FOR amount
    { $$ = ast_with_flags(NODE(AFTERWARDS, @$, NO_NAME, 1, $3.value), $3.flags); }

every:
  %empty                                   { $$ = NULL; }
| EVERY amount                             { $$ = $2.value; }

batch_option:
  %empty                                   { $$ = NULL; }
| ',' BATCH expression                     { $$ = $3; }

record:
  RECORD records
    { $$ = NODE(RECORD, @$, NO_NAME, 2, NODE_LIST(LIST, @2, NO_NAME, $2), NULL); }
| RECORD records EVERY amount
    { $$ = ast_with_flags(NODE(RECORD, @$, NO_NAME, 2, NODE_LIST(LIST, @2, NO_NAME, $2), $4.value), $4.flags); }

records:
  expression                               { $$ = ast_list_of(p, $1); }
| records ',' expression                   { $$ = ast_list_add(p, $1, $3); }

amount:
  expression
    {
      $$ = (Amount){$1, ast_counted($1)};
    }
| expression STEPS                         { $$ = (Amount){$1, AST_STEP}; }
| expression EPOCH_COUNT                   { $$ = (Amount){$1, AST_EPOCH_COUNT}; }
| expression PRESENTATION_COUNT            { $$ = (Amount){$1, AST_PRESENTATION_COUNT}; }

/* ---- Expressions */

name: NAME | CLAMP | BATCH | SHUFFLE | EXPONENTIAL | RESET

/* What may be assigned to, connected or learnt: u, apical.v, w[0].W */
target:
  name                                     { $$ = name_node(p, $1); }
| target '.' name                          { $$ = NODE(MEMBER, @$, $3, 1, $1); }
| target '[' values ']'                    { $$ = ast_build(p, AST_INDEX, @$, NO_NAME, $3, 1, $1); }

call:
  name                                     { $$ = name_node(p, $1); }
| name arguments                           { $$ = ast_build(p, AST_CALL, @$, NO_NAME, $2, 1, name_node(p, $1)); }

arguments:
  '(' ')'                                  { $$ = ast_list_new(p); }
| '(' argument_list ')'                    { $$ = $2; }

argument_list:
  argument                                 { $$ = ast_list_of(p, $1); }
| argument_list ',' argument               { $$ = ast_list_add(p, $1, $3); }

argument:
  value
| range
| name '=' value                           { $$ = NODE(ARGUMENT, @$, $1, 1, $3); }
| name '~' value                           { $$ = ast_with_flags(NODE(ARGUMENT, @$, $1, 1, $3), AST_DRAW); }

values:
  operand_list                             { $$ = ast_list_of(p, $1); }
| values ',' operand_list                  { $$ = ast_list_add(p, $1, $3); }

operand_list: value | range

value:
  expression
| expression OVER period                   { $$ = NODE(OVER, @$, $3, 1, $1); }
| expression OVER ALL                      { $$ = NODE(OVER, @$, $3, 1, $1); }

expression:
  postfix
| '-' expression %prec NEGATIVE            { $$ = unary(p, @$, "-", @1, $2); }
| NOT expression                           { $$ = unary(p, @$, "not", @1, $2); }
| expression OR expression                 { $$ = binary(p, @$, "or", @2, $1, $3); }
| expression AND expression                { $$ = binary(p, @$, "and", @2, $1, $3); }
| expression EQUAL expression              { $$ = binary(p, @$, "==", @2, $1, $3); }
| expression DIFFERENT expression          { $$ = binary(p, @$, "!=", @2, $1, $3); }
| expression '<' expression                { $$ = binary(p, @$, "<", @2, $1, $3); }
| expression '>' expression                { $$ = binary(p, @$, ">", @2, $1, $3); }
| expression AT_MOST expression            { $$ = binary(p, @$, "<=", @2, $1, $3); }
| expression AT_LEAST expression           { $$ = binary(p, @$, ">=", @2, $1, $3); }
| expression '+' expression                { $$ = binary(p, @$, "+", @2, $1, $3); }
| expression '-' expression                { $$ = binary(p, @$, "-", @2, $1, $3); }
| expression '*' expression                { $$ = binary(p, @$, "*", @2, $1, $3); }
| expression '/' expression                { $$ = binary(p, @$, "/", @2, $1, $3); }
| expression '@' expression                { $$ = binary(p, @$, "@", @2, $1, $3); }
| expression '^' expression                { $$ = binary(p, @$, "^", @2, $1, $3); }

postfix:
  primary
| postfix '.' name                         { $$ = NODE(MEMBER, @$, $3, 1, $1); }
| postfix '[' values ']'                   { $$ = ast_build(p, AST_INDEX, @$, NO_NAME, $3, 1, $1); }
| postfix arguments                        { $$ = ast_build(p, AST_CALL, @$, NO_NAME, $2, 1, $1); }
| postfix '(' argument_list ':' value ')'  { $$ = ast_reduction(p, @$, $1, $3, $5); }

primary:
  name                                     { $$ = name_node(p, $1); }
| NUMBER                                   { $$ = ast_number(p, @$, $1); }
| STRING                                   { $$ = ast_string(p, AST_STRING, @$, $1); }
| '(' value ')'                            { $$ = $2; }
| '[' values ']'                           { $$ = NODE_LIST(LIST, @$, NO_NAME, $2); }

%%

static Name name_of(Parser *p, const char *word, Span span) { return (Name){arena_atom_z(p->arena, word), span}; }

static Ast *name_node(Parser *p, Name name) { return NODE0(NAME, name.span, name); }

static Ast *binary(Parser *p, Span span, const char *operator, Span operator_span, Ast *left, Ast *right) {
    return NODE(BINARY, span, name_of(p, operator, operator_span), 2, left, right);
}

static Ast *unary(Parser *p, Span span, const char *operator, Span operator_span, Ast *operand) {
    return NODE(UNARY, span, name_of(p, operator, operator_span), 1, operand);
}

/* Called only when the parser's own stack is exhausted: prefix operators and powers nest without brackets. */
static void leq_error(const Span *span, Parser *p, const char *message) {
    (void)message;
    diag_report(p->diags, DIAG_E0106, *span, "this expression is too deeply nested");
}

static int yyreport_syntax_error(const yypcontext_t *context, Parser *p) {
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int count = 0;
    if (p->syntax_errors++ < SYNTAX_ERROR_LIMIT) { /* no more are kept */
        count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
        if (count < 0) return count;
    }
    for (int i = 0; i < count; i++) names[i] = yysymbol_name(kinds[i]);
    report_unexpected(p, *yypcontext_location(context), p->previous, (Expected){names, count});
    tokens_begin_recovery(p);
    return 0;
}
