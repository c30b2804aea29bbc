#compdef cofounderctl
# zsh completion for cofounderctl(1); made by `cofounderctl completion zsh`.
_cofounderctl() {
  local -a parts places
  local i
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
      --socket) ((i++)) ;;
      -*) ;;
      *) parts+=($words[i]); places+=($i) ;;
    esac
  done
  case "$parts[1] $parts[2]" in
    'metrics summary')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'config show')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'config check')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '::the main file, /etc/cofounderd/cofounderd.toml when it is not given:_files' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'config reload')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task submit')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '*--arg=[an argument that is a string; NAME\:=JSON for any other value]:NAME=VALUE: ' \
        '--args=[all arguments as a JSON object; @FILE reads a file, - standard input]:JSON: ' \
        '*--file=[send a file and pass it as argument NAME]:NAME=PATH:_files' \
        '--delay=[run it so much later]:DURATION: ' \
        '--at=[run it then, for instance 2026-11-23T17\:00\:00Z]:TIME: ' \
        '--key=[a unique key\: while a task with it is alive there is no second one]:KEY: ' \
        '--wait=-[wait until it is over, at most so long]::DURATION: ' \
        '--queue=[the queue it waits in]:NAME: ' \
        '--priority=[-100 to 100, higher first]:N: ' \
        '--timeout=[the deadline of one attempt]:DURATION: ' \
        '--attempts=[how often it is tried at most]:N: ' \
        ':the operation, PLUGIN.OPERATION: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task show')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the task'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task list')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--state=[only those in this state]:STATE:(scheduled ready running succeeded failed cancelled timed_out)' \
        '--op=[only those of this operation]:OP: ' \
        '--queue=[only those of this queue]:NAME: ' \
        '--limit=[so many at most, up to 1000]:N: ' \
        '--after=[go on after the end of an earlier list]:CURSOR: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task cancel')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '*:the tasks'\'' ids: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task retry')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '*:the tasks'\'' ids: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task wait')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--timeout=[at most so long; then the exit code is 6]:DURATION: ' \
        ':the task'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task why')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the task'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'task watch')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the task'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule put')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--cron=["0 3 * * *", with six fields the first is seconds; "@daily"]:EXPRESSION: ' \
        '--calendar=[as systemd'\''s OnCalendar\: "Mon..Fri 9\:00"]:EXPRESSION: ' \
        '--every=[an interval]:DURATION: ' \
        '--timezone=[such as Europe/Vienna; UTC when it is not given]:ZONE: ' \
        '--missed=[what becomes of times that passed while no daemon ran]:POLICY:(skip once all)' \
        '--overlap=[what happens while the last task is still alive]:POLICY:(allow skip)' \
        '*--arg=[an argument that is a string; NAME\:=JSON for any other value]:NAME=VALUE: ' \
        '--args=[all arguments as a JSON object; @FILE reads a file, - standard input]:JSON: ' \
        '--queue=[the queue it waits in]:NAME: ' \
        '--priority=[-100 to 100, higher first]:N: ' \
        '--timeout=[the deadline of one attempt]:DURATION: ' \
        '--attempts=[how often it is tried at most]:N: ' \
        ':the schedule'\''s name: ' \
        ':the operation, PLUGIN.OPERATION: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule show')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the schedule'\''s name: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule list')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule remove')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the schedule'\''s name: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'schedule run')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the schedule'\''s name: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin list')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin show')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin why')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin start')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin stop')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin restart')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin reload')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':the plugin'\''s id: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin inspect')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        ':a .so file:_files' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'plugin new')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--directory=[the folder to make; NAME when it is not given]:PATH:_files -/' \
        '--template=[copy this folder instead of the SDK'\''s template]:PATH:_files -/' \
        ':its id\: small letters, digits and dashes: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'node list')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'store backup')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--replace[put it in the place of a file that is there]' \
        ':the new file; it appears when it is whole:_files' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'store check')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '::a backup, or the store of a daemon that does not run; else the running daemon'\''s store is checked:_files' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'store migrate-to')
      shift $((places[2] - 1)) words; ((CURRENT -= places[2] - 1))
      _arguments \
        '--config=[the daemon'\''s configuration]:FILE:_files' \
        ':a connection string without a password: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'status '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'health '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'events '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--since=[begin after this event]:ID: ' \
        '--task=[only those of this task]:ID: ' \
        '--plugin=[only those of this plugin]:ID: ' \
        '--count=[end after so many]:N: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'metrics '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--openmetrics[in OpenMetrics format]' \
        '::command:(summary)' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'drain '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--wait=-[wait until nothing runs, at most so long]::DURATION: ' \
        '--end[begin tasks again]' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'version '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'completion '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        ':bash or zsh:(bash zsh)' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'login '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--print[print the session instead of keeping it]' \
        '::the name of the provider, when there are several: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'logout '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'whoami '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'call '*)
      shift $((places[1] - 1)) words; ((CURRENT -= places[1] - 1))
      _arguments \
        '--body=[what is sent; @FILE reads a file, - standard input]:JSON: ' \
        ':GET, POST, PUT or DELETE:(GET POST PUT DELETE)' \
        ':the path, with its query: ' \
        '--help[show the help]' \
        '--json[print the daemon'\''s answer as it is]' \
        '--socket=[the daemon'\''s socket]:PATH:_files'
      ;;
    'config ') _values command show check reload ;;
    'task ') _values command submit show list cancel retry wait why watch ;;
    'schedule ') _values command put show list remove run ;;
    'plugin ') _values command list show why start stop restart reload inspect new ;;
    'node ') _values command list ;;
    'store ') _values command backup check migrate-to ;;
    ' ') _values command status health events metrics drain config version completion login logout whoami call task schedule plugin node store ;;
  esac
}
if [[ $funcstack[1] == _cofounderctl ]]; then _cofounderctl "$@"; else compdef _cofounderctl cofounderctl; fi
